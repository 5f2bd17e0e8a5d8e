"""TensorFlow, imported once and made quiet, repeatable and modest."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from typing import Any

from ecgdeploy.errors import BuildError, UsageError

_ready = False


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
    return tf


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


def forget() -> None:
    """Let go of every network of this process: a study of many trainings would keep them all in memory."""
    import keras

    keras.backend.clear_session()
