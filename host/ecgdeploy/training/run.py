"""One training run from its configuration to its folder: check, store shards, train, evaluate, hash."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgdeploy import models
from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.provenance import MANIFEST, sha256_bytes, sha256_file, versions, write_atomic, write_manifest
from ecgdeploy.training import checks, shards
from ecgdeploy.training.config import RunConfig

MODEL = "model.keras"


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes
    ----------
    folder : Path
        ``model.keras`` (best epoch), ``config.json``, ``history.csv``, ``logs/`` (TensorBoard), ``manifest.json``.
    manifest : dict
        Configuration, data, split, figures, versions and the hash of every file.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def model(self) -> Path:
        """The trained Keras model."""
        return self.folder / MODEL

    @property
    def classes(self) -> tuple[str, ...]:
        """What its outputs are, in their order.

        Raises
        ------
        UsageError
            A run of a version that did not write it down.
        """
        try:
            return tuple(self.manifest["classes"])
        except KeyError:
            hint = "run the same ecgdeploy train again: nothing is trained anew"
            raise UsageError(f"{self.folder} does not say what its outputs are", hint) from None


def preflight(config: RunConfig, train: Any, validation: Any) -> None:
    """Refuse, before any training, what could only fail or deceive later.

    Raises
    ------
    DataError
        NaN in a signal, an output without a positive, a record in two roles, an empty set.
    """
    if not len(train.inputs) or not len(validation.inputs):
        raise DataError(f"task {config.task} has no training or no validation windows", "check the data set's folder")
    checks.finite(train, "training set")
    checks.finite(validation, "validation set")
    if config.unlearnable is None:
        checks.every_output_has_a_positive(train)
    checks.no_shared_record(training=train, validation=validation)


def train(
    config: RunConfig,
    folder: Path,
    *,
    task: Any = None,
    data: Path | None = None,
    threads: int | None = None,
    report: Callable[[int, int, int, float], None] | None = None,
    make_model: Callable[[], Any] | None = None,
    teacher: Any = None,
) -> Run:
    """Train as `config` says; continue where the folder's checkpoint stands.

    Parameters
    ----------
    task : optional
        A loaded task; else ``load_task(config.task, data)``.
    threads : int, optional
        TensorFlow's CPU threads.
    report : callable, optional
        Called after each step with (epoch, step, steps, loss).
    make_model : callable, optional
        Starts from this Keras model instead of a new one; ``config.starts_from`` should hold its hash.
    teacher : keras.Model, optional
        Its answers to the training windows are the targets; ``config.teacher`` should hold its hash.

    Raises
    ------
    DataError, UsageError
        See `preflight`; also a folder that holds another configuration's run.
    """
    from ecgdeploy.ecg.views import for_choosing, for_training

    if task is None:
        from ecgdeploy.ecg.tasks import load_task

        task = load_task(config.task, data)
    train_view, validation = for_training(task.train()), for_choosing(task.validation())
    preflight(config, train_view, validation)
    claim(folder, config)
    stored = stored_windows(train_view, folder / "shards")
    facts = {
        "source": train_view.source,
        "synthetic": train_view.synthetic,
        "provenance": {"training": train_view.provenance, "validation": validation.provenance},
        "windows": {"training": len(train_view), "validation": len(validation)},
        "classes": list(train_view.classes),  # the outputs' order, which a sorted table does not keep
        "positives": dict(
            zip(
                train_view.classes,
                checks.class_counts(train_view.targets, len(train_view.classes)).tolist(),
                strict=True,
            )
        ),
    }
    # from here on training reads the memory-mapped shards; the task may drop its arrays
    del train_view
    return fit_stored(config, folder, stored, validation, facts, threads, report, make_model, teacher)


def claim(folder: Path, config: RunConfig) -> None:
    """Make the folder this configuration's, or refuse when it is another's."""
    path = folder / "config.json"
    text = json.dumps(config.as_json(), indent=2, sort_keys=True) + "\n"
    if path.exists() and path.read_text() != text:
        raise UsageError(f"{folder} holds a run with another configuration", "choose another --output")
    write_atomic(path, text)


def shards_key(view: Any) -> str:
    """What a folder of shards says of the view that it holds: the same text, the same windows."""
    return json.dumps([view.provenance, len(view), list(view.classes)], sort_keys=True, default=str)


def stored_windows(view: Any, folder: Path) -> shards.Shards:
    """The view's shards: used again when they are the same windows and whole, else written (again)."""
    key, wanted = folder / "key", shards_key(view)
    if key.exists() and key.read_text() == wanted and (kept := shards.whole(folder)):
        return kept
    if folder.is_symlink() and not folder.exists():
        folder.unlink()  # another run's, which is gone
    key.unlink(missing_ok=True)
    written = shards.write(view, folder)
    write_atomic(key, wanted)
    return written


def fit_stored(
    config: RunConfig,
    folder: Path,
    stored: Any,
    validation: Any,
    facts: dict[str, Any],
    threads: int | None,
    report: Callable[[int, int, int, float], None] | None,
    make_model: Callable[[], Any] | None,
    teacher: Any,
) -> Run:
    """Train on stored windows: `shards.Shards`, or anything else with its `inputs`, `targets`, `classes`, `sha256`."""
    from ecgdeploy.training import runtime

    tf = runtime.tensorflow(threads)
    import keras

    from ecgdeploy.training import figures, loop

    # the strategy comes first: a multi-worker one must exist before any other TensorFlow operation
    strategy = runtime.strategy(config.distribution.strategy)
    resolver = getattr(strategy, "cluster_resolver", None)
    chief = resolver is None or not resolver.task_type or (resolver.task_type, resolver.task_id) in {
        ("chief", 0), ("worker", 0)
    }
    runtime.seed(config.seed)
    keras.mixed_precision.set_global_policy("mixed_float16" if config.mixed_precision else "float32")
    try:
        make = make_model or (lambda: _model(config, stored, validation))
        trainer = loop.Trainer(make, config, stored, strategy, teacher)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    board = tf.summary.create_file_writer(str(folder / "logs")) if chief else None
    outcome = loop.fit(trainer, validation, folder, report or (lambda *_: None), chief=chief, board=board)
    probabilities = loop.predict(trainer.model, validation.arrays(len(trainer.model.inputs)))
    result = figures.figures(validation.targets, probabilities)
    if not chief:
        return Run(folder, {"validation": result})
    trainer.model.save(folder / MODEL)
    manifest = {
        "kind": "training run",
        "config": config.as_json(),
        "config_sha256": config.sha256,
        **facts,
        "shards_sha256": stored.sha256,
        "parameters": int(trainer.model.count_params()),
        "weights_sha256": sha256_bytes(b"".join(w.tobytes() for w in trainer.model.get_weights())),
        "best_epoch": outcome.best_epoch + 1,
        "epochs_run": len(outcome.history),
        "stopped_early": outcome.stopped_early,
        "validation": result,
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "replicas": strategy.num_replicas_in_sync,
        "peak_host_ram_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "versions": versions("tensorflow", "keras", "numpy"),
        "sha256": {name: sha256_file(folder / name) for name in (MODEL, "config.json", "history.csv")},
    }
    write_manifest(folder, manifest)
    return Run(folder, manifest)


def _model(config: RunConfig, stored: shards.Shards, validation: Any) -> Any:
    model = models.build(config.model.name, **config.model.options)
    validation.arrays(len(model.inputs))  # refuses a second input that the data set lacks
    checks.shape_fits(validation, model.inputs[0].shape, config.model.name)
    width = sum(o.shape[-1] for o in model.outputs)
    if width != len(stored.classes):
        raise UsageError(
            f"network {config.model.name} has {width} outputs, the task {len(stored.classes)} classes",
            "set model.options classes or units",
        )
    return model


def open_run(folder: Path) -> Run:
    """Open a finished run's folder.

    Raises
    ------
    UsageError
        No finished run there.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} holds no finished training run", "ecgdeploy train makes one") from error
    if manifest.get("kind") != "training run" or not (folder / MODEL).is_file():
        raise UsageError(f"{folder} holds no finished training run", "ecgdeploy train makes one")
    return Run(folder, manifest)
