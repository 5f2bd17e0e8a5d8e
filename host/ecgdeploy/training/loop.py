"""The training loop: own steps instead of ``fit``, so that a run killed anywhere resumes to the same numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.provenance import write_atomic
from ecgdeploy.training import figures, losses, pipeline, state
from ecgdeploy.training.checks import class_counts
from ecgdeploy.training.config import RunConfig
from ecgdeploy.training.logits import logits_of

#: called with (epoch, step, steps, mean loss so far)
Report = Callable[[int, int, int, float], None]
EVALUATION_BATCH = 128


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `history` has one row an epoch, `best_epoch` counts from 0."""

    best_epoch: int
    history: tuple[dict[str, float], ...]
    stopped_early: bool
    resumed_at: tuple[int, int] | None


def joined(outputs: Any) -> Any:
    """One [batch, classes] tensor from a model's output or list of head outputs."""
    import tensorflow as tf

    return tf.concat(list(outputs), axis=-1) if isinstance(outputs, (list, tuple)) else outputs


def predict(model: Any, inputs: Any, batch: int = EVALUATION_BATCH) -> np.ndarray:
    """Probabilities [n, classes], in inference mode and fixed batches.

    Parameters
    ----------
    inputs : windows [n, samples, leads], or a tuple of them and of age and sex [n, 3]
    """
    import tensorflow as tf

    arrays = inputs if isinstance(inputs, tuple) else (inputs,)
    # one traced function a model: a new one each call would be traced again and never freed
    forward = getattr(model, "_ecgdeploy_forward", None)
    if forward is None:
        forward = tf.function(lambda x: joined(model(x, training=False)))
        object.__setattr__(model, "_ecgdeploy_forward", forward)
    out = []
    for start in range(0, len(arrays[0]), batch):
        parts = [np.asarray(array[start : start + batch], np.float32) for array in arrays]
        count = len(parts[0])
        if count < batch and start:
            parts = [np.resize(part, (batch, *part.shape[1:])) for part in parts]
        tensors = tuple(tf.constant(part[:, None] if part.ndim == 3 else part) for part in parts)
        out.append(forward(tensors if len(tensors) > 1 else tensors[0]).numpy()[:count])
    return np.concatenate(out)


class Trainer:
    """Model, optimizer and loss under one distribution strategy; with a `teacher`, its answers are the targets.

    Logits are compared where both models have them: every output then counts alike, the rare ones too, whose
    probabilities are all near zero.
    """

    def __init__(
        self, make_model: Callable[[], Any], config: RunConfig, data: Any, strategy: Any, teacher: Any = None
    ) -> None:
        import keras
        import tensorflow as tf

        self.config, self.data, self.strategy = config, data, strategy
        targets = np.asarray(data.targets)
        counts = class_counts(targets, len(data.classes))
        weights = losses.class_weights(counts, config.loss.class_weights, total=len(targets))
        self.class_weights = weights
        self.loss = losses.per_example(config.loss.kind, config.loss.gamma, weights, targets.ndim == 2)
        replicas = strategy.num_replicas_in_sync
        self.steps = pipeline.steps_per_epoch(len(targets), config.batch, replicas)
        rate: Any = config.optimizer.learning_rate
        if config.optimizer.schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, self.steps * config.epochs, alpha=0.01)
        with strategy.scope():
            self.model = make_model()
            wanted = len(getattr(teacher, "inputs", self.model.inputs))
            if wanted != len(self.model.inputs):
                raise UsageError(
                    f"the teacher takes {wanted} inputs, the student {len(self.model.inputs)}",
                    "teach with a network of the same inputs",
                )
            self.student, self.teacher, self.on_logits = _pair(
                self.model, teacher, config.distillation is None
            )
            if replicas > 1:
                # statistics over the global batch: else each worker keeps its own and they drift apart
                for layer in self.model.layers:
                    if isinstance(layer, keras.layers.BatchNormalization):
                        layer.synchronized = True
            self.optimizer: Any = keras.optimizers.Adam(
                rate, weight_decay=config.optimizer.weight_decay or None, epsilon=1e-7
            )
            if config.mixed_precision:
                self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
            self.optimizer.build(self.model.trainable_variables)
        self.step_function = tf.function(self._step)

    def _step(self, x: Any, y: Any, w: Any) -> Any:
        import tensorflow as tf

        def replica(x: Any, y: Any, w: Any) -> Any:
            with tf.GradientTape() as tape:
                # dropout would pull a student without labels away from its teacher
                part, weights = self.config.distillation, tf.constant(self.class_weights, tf.float32)
                answers = joined(self.student(x, training=self.teacher is None or part is not None))
                wanted = None if self.teacher is None else joined(self.teacher(x, training=False))
                if wanted is None:
                    each = self.loss(y, answers)
                elif self.on_logits:
                    each = losses.between_logits(wanted, answers)
                elif part is None:
                    each = losses.from_teacher(wanted, answers)
                else:
                    apart = losses.divergence(wanted, answers, part.temperature, len(y.shape) == 2)
                    # a teacher's answer about a rare class weighs what that class's label weighs
                    apart = apart * tf.gather(weights, y) if len(y.shape) == 1 else apart
                    each = (1.0 - part.alpha) * self.loss(y, answers) + part.alpha * apart
                loss = tf.reduce_sum(w * each)
                scaled = self.optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, self.model.trainable_variables)
            self.optimizer.apply(gradients, self.model.trainable_variables)
            return loss

        return self.strategy.reduce("SUM", self.strategy.run(replica, args=(x, y, w)), axis=None)

    def distance(self, view: Any) -> float:
        """Mean squared difference between what the model and its teacher answer to a view's windows."""
        arrays = view.arrays(len(self.model.inputs))
        if not hasattr(self, "_wanted"):
            self._wanted = predict(self.teacher, arrays)
        return float(np.square(predict(self.student, arrays) - self._wanted).mean())

    @property
    def variables(self) -> list[Any]:
        """All state: weights, batch-norm statistics, dropout seeds, optimizer moments."""
        return [*self.model.variables, *self.optimizer.variables]

    def arrays(self) -> list[np.ndarray]:
        """Values of `variables`."""
        return [np.asarray(v.value) if hasattr(v, "value") else v.numpy() for v in self.variables]

    def restore(self, arrays: list[np.ndarray]) -> None:
        """Set `variables`."""
        for variable, array in zip(self.variables, arrays, strict=True):
            variable.assign(array)

    def batches(self, epoch: int, first_step: int) -> Any:
        """This epoch's batches, distributed where the strategy has several replicas."""
        replicas, person = self.strategy.num_replicas_in_sync, len(self.model.inputs) > 1
        if replicas == 1:
            return pipeline.epoch_batches(self.data, self.config, epoch, first_step, person=person)

        def make(context: Any) -> Any:
            here = replicas // context.num_input_pipelines
            first = context.input_pipeline_id * here
            parts = tuple(range(first, first + here))
            return pipeline.epoch_batches(self.data, self.config, epoch, first_step, parts, replicas, person)

        return self.strategy.distribute_datasets_from_function(make)


def _pair(model: Any, teacher: Any, twin: bool) -> tuple[Any, Any, bool]:
    """What of the model and of its teacher is compared, and whether these are logits: only for a teacher's `twin`."""
    if teacher is None or not twin:
        return model, teacher, False
    ours, theirs = logits_of(model), logits_of(teacher)
    return (model, teacher, False) if ours is None or theirs is None else (ours, theirs, True)


def fit(
    trainer: Trainer, validation: Any, folder: Path, report: Report, *, chief: bool = True, board: Any = None
) -> Outcome:
    """Train to the end (or to early stopping), from the last checkpoint in `folder` if there is one.

    Parameters
    ----------
    validation : view
        Scored after each epoch; its figure picks the best epoch.
    chief : bool
        False in all but one worker: only the chief writes.
    board : optional
        ``tf.summary`` writer.

    Raises
    ------
    DataError
        The loss is not a number any more.
    """
    config = trainer.config
    found = state.load(folder / state.STATE, config.sha256)
    progress = state.Progress()
    resumed = None
    if found:
        trainer.restore(found[0])
        progress = found[1]
        resumed = (progress.epoch, progress.step)
    elif config.monitor == "teacher":
        # where it starts is a candidate: a twin of its teacher may only get worse
        progress.epoch = -1
        _keep_best(trainer, progress, _score(trainer, validation, progress), folder, chief)
        progress.epoch = 0
    while not progress.finished:
        _epoch(trainer, progress, folder, report, chief)
        row = _score(trainer, validation, progress)
        _keep_best(trainer, progress, row, folder, chief)
        progress.history.append(row)
        progress.epoch, progress.step, progress.loss_sum = progress.epoch + 1, 0, 0.0
        waited = progress.epoch - 1 - progress.best_epoch
        progress.finished = progress.epoch >= config.epochs or bool(config.patience and waited >= config.patience)
        if chief:
            state.save(folder / state.STATE, trainer.arrays(), progress, config.sha256)
            write_csv(folder / "history.csv", progress.history)
        _log(board, row)
    best = state.load(folder / state.BEST, config.sha256)
    if best:
        trainer.restore(best[0])
    return Outcome(progress.best_epoch, tuple(progress.history), progress.epoch < config.epochs, resumed)


def _epoch(trainer: Trainer, progress: state.Progress, folder: Path, report: Report, chief: bool) -> None:
    every = trainer.config.checkpoint_steps
    for batch in trainer.batches(progress.epoch, progress.step):
        loss = float(trainer.step_function(*batch))
        if not np.isfinite(loss):
            raise DataError(
                f"the loss became {loss} in epoch {progress.epoch + 1}, step {progress.step + 1}",
                "lower optimizer.learning_rate, or look at the input's scale",
            )
        progress.loss_sum += loss
        progress.step += 1
        report(progress.epoch, progress.step, trainer.steps, progress.loss_sum / progress.step)
        if chief and every and progress.step % every == 0 and progress.step < trainer.steps:
            state.save(folder / state.STATE, trainer.arrays(), progress, trainer.config.sha256)


def _score(trainer: Trainer, validation: Any, progress: state.Progress) -> dict[str, float]:
    probabilities = predict(trainer.model, validation.arrays(len(trainer.model.inputs)))
    row = {"epoch": progress.epoch + 1, "loss": progress.loss_sum / max(progress.step, 1)}
    row.update({f"validation_{k}": v for k, v in figures.figures(validation.targets, probabilities).items()})
    if trainer.config.monitor == "teacher":
        row["validation_teacher"] = trainer.distance(validation)
    return row


def _keep_best(trainer: Trainer, progress: state.Progress, row: dict[str, float], folder: Path, chief: bool) -> None:
    monitor = trainer.config.monitor
    value = float(progress.epoch) if monitor == "last" else row[f"validation_{monitor}"]
    value = -value if monitor in ("loss", "teacher") else value
    if np.isfinite(value) and (progress.best is None or value > progress.best):
        progress.best, progress.best_epoch = value, progress.epoch
        if chief:
            state.save(folder / state.BEST, trainer.arrays(), progress, trainer.config.sha256)


def write_csv(path: Path, rows: list[dict[str, float]]) -> None:
    """Write the history, one row an epoch, whole."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue())


def _log(board: Any, row: dict[str, float]) -> None:
    if board is None:
        return
    import tensorflow as tf

    # tf.summary.scalar needs the tensorboard package to write; its record is this
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    with board.as_default():
        for name, value in row.items():
            if name != "epoch":
                tf.summary.write(name, tf.constant(value, tf.float32), step=int(row["epoch"]), metadata=metadata)
    board.flush()
