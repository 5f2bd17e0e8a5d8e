"""Training and adopting the model of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecgdeploy.errors import UsageError
from ecgdeploy.training import config, own_model, run
from ecgdeploy.workspace.project import Project


def load_task(project: Project, data: Path | None = None) -> Any:
    """The project's recordings as a task."""
    from ecgdeploy.ecg.tasks import load_task as load

    return load(str(project.path), data)


def train(
    project: Project,
    *,
    data: Path | None = None,
    changes: dict[str, Any] | None = None,
    threads: int | None = None,
    report: Callable[[int, int, int, float], None] | None = None,
) -> run.Run:
    """Train the project's model; one that is trained already is checked and adopted.

    Raises
    ------
    UsageError
        The model is a ``.tflite`` file.
    DataError, ModelError
        See `run.train` and `own_model.load`.
    """
    if project.is_tflite:
        raise UsageError(f"{project.content.model.file} is converted already: nothing to train", "ecgdeploy build")
    project.use_code()
    task = load_task(project, data)
    settings = project.settings(task)
    settings = config.override(settings, changes) if changes else settings
    folder = project.run_folder(settings)
    file = project.model_file
    if file is not None and project.content.model.trained:
        return own_model.adopt(file, settings, task, folder, threads, project.content.model.activation)
    make = None
    if file is not None:
        multilabel, activation = project.content.task.multilabel, project.content.model.activation

        def make() -> Any:
            return own_model.load(file, task.input_shape, task.classes, multilabel, activation)

        from ecgdeploy.training import runtime

        runtime.tensorflow(threads)
        make()  # refuses a model that does not fit before the windows are prepared
    return run.train(settings, folder, task=task, threads=threads, report=report, make_model=make)


def trained(project: Project, task: Any, threads: int | None = None) -> run.Run:
    """The finished run of the project as it is now: this data, this split, these settings.

    Raises
    ------
    UsageError
        There is none.
    """
    if project.is_tflite:
        raise UsageError(f"{project.content.model.file} is converted already: nothing to quantize", "ecgdeploy build")
    project.use_code()
    settings = project.settings(task)
    folder = project.run_folder(settings)
    file = project.model_file
    if file is not None and project.content.model.trained and not (folder / "manifest.json").is_file():
        return own_model.adopt(file, settings, task, folder, threads, project.content.model.activation)
    if not (folder / "manifest.json").is_file():
        others = any(project.runs.glob("train-*/manifest.json"))
        why = " with this data, split and settings" if others else ""
        raise UsageError(f"{project.path.name}: the model is not trained yet{why}", "ecgdeploy train")
    return run.open_run(folder)
