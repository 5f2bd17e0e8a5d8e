"""TensorFlow, imported once and made quiet, repeatable and modest."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from ecgdeploy.errors import BuildError, ModelError, UsageError

#: environment variable that names a Python file with layers of one's own; the converter's process inherits it
OWN_LAYERS = "ECGDEPLOY_OWN_LAYERS"
_ready = False
_known = ""


def tensorflow(threads: int | None = None, *, deterministic: bool = True) -> Any:
    """Import TensorFlow with quiet logs, deterministic operators and at most `threads` CPU threads.

    The thread count comes from `threads`, else from the environment's ECGDEPLOY_THREADS, else TensorFlow's own choice;
    it can only be set before the first operator runs, so later calls, and a caller who used TensorFlow before, keep
    what is set.

    Raises
    ------
    BuildError
        TensorFlow is not installed.
    """
    global _ready
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "3")
    try:
        with _silent_stderr():
            import tensorflow as tf
    except ImportError as error:
        raise BuildError("TensorFlow is not installed", "pip install 'ecgdeploy[train]'") from error
    if not _ready:
        wanted = threads or int(os.environ.get("ECGDEPLOY_THREADS", "0"))
        with suppress(RuntimeError):  # the caller has already run an operator
            if wanted:
                tf.config.threading.set_intra_op_parallelism_threads(wanted)
                tf.config.threading.set_inter_op_parallelism_threads(min(wanted, 2))
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        tf.get_logger().setLevel("ERROR")
        warnings.filterwarnings("ignore", module="keras|tensorflow")
        _ready = True
    _know_own_layers()
    return tf


def _know_own_layers() -> None:
    """Run the Python file that `OWN_LAYERS` names, and tell Keras the layers and models it defines.

    Raises
    ------
    ModelError
        The file is missing or fails.
    """
    import importlib.util

    global _known
    given = os.environ.get(OWN_LAYERS, "")
    if given == _known or not given:
        return
    import keras

    path = Path(given)
    if not path.is_file():
        raise ModelError(f"no file {path} with the model's layers", "model.code names it")
    spec = importlib.util.spec_from_file_location("ecgdeploy_own_layers", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a person's own file does, it is one line
        text = " ".join(str(error).split())[:120]
        raise ModelError(f"{path.name}: {type(error).__name__}: {text}", "it only has to define the layers") from error
    for name, thing in vars(module).items():
        if isinstance(thing, type) and issubclass(thing, keras.layers.Layer) and thing.__module__ == module.__name__:
            keras.saving.get_custom_objects()[name] = thing
    _known = given


class _silent_stderr:
    """TensorFlow's C++ start-up lines bypass every logger; they would break one-line errors and progress bars."""

    def __enter__(self) -> None:
        import sys

        sys.stderr.flush()
        self._saved = os.dup(2)
        self._null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(self._null, 2)

    def __exit__(self, *_: object) -> None:
        os.dup2(self._saved, 2)
        os.close(self._saved)
        os.close(self._null)


def strategy(name: str) -> Any:
    """The ``tf.distribute`` strategy for a configuration's name: ``none``, ``mirrored`` or ``multi-worker``.

    Raises
    ------
    UsageError
        ``multi-worker`` without TF_CONFIG.
    """
    tf = tensorflow()
    if name == "none":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        gpus = tf.config.list_logical_devices("GPU")
        return tf.distribute.MirroredStrategy([d.name for d in gpus] or ["/cpu:0"])
    if not os.environ.get("TF_CONFIG"):
        raise UsageError(
            "distribution.strategy is multi-worker, but TF_CONFIG is not set",
            "start one process per host, each with its own TF_CONFIG (cluster and task)",
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def seed(value: int) -> None:
    """Begin all random numbers of Python, NumPy and Keras anew: a network made next is the same each time."""
    import keras

    keras.utils.set_random_seed(value)


def forget() -> None:
    """Let go of every network of this process: a study of many trainings would keep them all in memory."""
    import keras

    keras.backend.clear_session()
