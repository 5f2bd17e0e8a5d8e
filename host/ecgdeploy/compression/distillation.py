"""Knowledge distillation: any trained network, or several, teach any other of the same classes.

L = (1 - alpha) CE(y, student) + alpha T^2 KL(teacher || student); Hinton et al. 2015, Kota "knowledge distillation".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgdeploy.errors import ModelError, UsageError
from ecgdeploy.provenance import sha256_json
from ecgdeploy.training import config
from ecgdeploy.training import run as training
from ecgdeploy.training.config import RunConfig
from ecgdeploy.training.run import Run


@dataclass(frozen=True)
class Ensemble:
    """Several networks as one teacher: the mean of their probabilities."""

    members: tuple[Any, ...]

    @property
    def inputs(self) -> Any:
        """The first member's."""
        return self.members[0].inputs

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Mean probabilities [batch, classes]."""
        from ecgdeploy.training.loop import joined

        answers = [joined(member(x, training=training)) for member in self.members]
        return sum(answers[1:], answers[0]) / len(answers)


def require_classes(name: str, teacher: Sequence[str], student: Sequence[str]) -> None:
    """Refuse a teacher whose classes are not the student's, in the same order.

    Raises
    ------
    ModelError
        Both lists named.
    """
    if tuple(teacher) != tuple(student):
        raise ModelError(
            f"teacher {name} has the classes {_some(teacher)}, the student's task has {_some(student)}",
            "choose a teacher that was trained on the same classes",
        )


def _some(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - 8} more" if len(classes) > 8 else ""
    return ", ".join(classes[:8]) + more


def teacher_of(runs: Sequence[Run], classes: Sequence[str]) -> tuple[Any, str]:
    """The teacher that finished runs make together, and the hash of their weights.

    Raises
    ------
    ModelError
        Other classes than `classes`, or another input than the first teacher's.
    UsageError
        No run.
    """
    from ecgdeploy.quantization import qat

    if not runs:
        raise UsageError("distillation without a teacher", "give at least one trained run")
    members = []
    for run in runs:
        require_classes(str(run.folder), run.classes, classes)
        members.append(qat.load(run.model))
        if members[-1].inputs[0].shape != members[0].inputs[0].shape:
            raise ModelError(
                f"teacher {run.folder} takes another input than {runs[0].folder}", "teach with one of them"
            )
    hashes = [run.manifest["weights_sha256"] for run in runs]
    return (members[0] if len(members) == 1 else Ensemble(tuple(members))), (
        hashes[0] if len(hashes) == 1 else sha256_json(hashes)
    )


def distil(
    student: RunConfig,
    teachers: Sequence[Run],
    folder: Path,
    *,
    task: Any = None,
    data: Path | None = None,
    alpha: float = 0.5,
    temperature: float = 4.0,
    make_model: Callable[[], Any] | None = None,
    threads: int | None = None,
    report: Callable[[int, int, int, float], None] | None = None,
) -> Run:
    """Train the student that `student` describes from its labels and the teachers' answers.

    Parameters
    ----------
    make_model : callable, optional
        Starts from this network instead of a new one.

    Returns
    -------
    Run
        As any training run's.

    Raises
    ------
    DataError, ModelError, UsageError
        As training does; teachers with other classes or another input.
    """
    from ecgdeploy.training import runtime

    runtime.tensorflow(threads)
    if task is None:
        from ecgdeploy.ecg.tasks import load_task

        task = load_task(student.task, data)
    train = task.train()
    teacher, digest = teacher_of(teachers, train.classes)
    shape = tuple(teacher.inputs[0].shape[-2:])
    windows = tuple(train.inputs.shape[1:])
    if shape != windows:
        raise ModelError(
            f"teacher {teachers[0].folder} takes {shape[0]} samples x {shape[1]} leads, "
            f"the student's task has {windows[0]} x {windows[1]}",
            "teacher and student see the same windows",
        )
    settings = config.override(
        student, {"teacher": digest, "distillation": {"alpha": alpha, "temperature": temperature}}
    )
    return training.train(
        settings, folder, task=task, threads=threads, report=report, make_model=make_model, teacher=teacher
    )
