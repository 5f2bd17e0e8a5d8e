"""Running a study: every cell without a row, here, in several processes, or on a Dask cluster."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import DeviceError, EcgDeployError, UsageError
from ecgdeploy.provenance import write_atomic
from ecgdeploy.studies import load
from ecgdeploy.studies.base import Context, Unit

ROWS = "rows"


def row_path(folder: Path, cell: str) -> Path:
    """File of one cell's row."""
    return folder / ROWS / f"{cell.replace('/', '--')}.json"


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """All rows written so far, failed ones too, sorted by cell."""
    paths = sorted((folder / ROWS).glob("*.json"))
    return [json.loads(path.read_text()) for path in paths]


def arrays_of(folder: Path, cell: str) -> dict[str, np.ndarray]:
    """Arrays kept beside a cell's row."""
    with np.load(row_path(folder, cell).with_suffix(".npz")) as content:
        return {name: content[name] for name in content.files}


def finished(folder: Path, cell: str) -> bool:
    """Whether the cell has a row with a result; a failed one is tried again."""
    path = row_path(folder, cell)
    return path.is_file() and json.loads(path.read_text())["status"] == "done"


def _write(folder: Path, row: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    path = row_path(folder, row["cell"])
    path.parent.mkdir(parents=True, exist_ok=True)
    if arrays:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_atomic(path.with_suffix(".npz"), buffer.getvalue())
    # the row last: a cell with a row has its arrays
    write_atomic(path, json.dumps(row, indent=1, sort_keys=True, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)


def run_unit(
    study: str, unit: Unit, folder: str, quick: bool, data: str | None, threads: int | None
) -> list[tuple[str, str, str]]:
    """Run one unit and write its rows; (cell, status, reason) of each.

    Runs in whatever process the scheduler chose; that process sees the same `folder`.
    """
    root = Path(folder)
    todo = tuple(cell for cell in unit.cells if not finished(root, cell))
    context = Context(root, quick, Path(data) if data else None, threads, todo)
    common = {"study": study, "unit": unit.id, "params": unit.params, "quick": quick}
    reason = "the unit ended without this cell"
    try:
        for done in load(study).work(unit, context):
            row = common | {
                "cell": done.cell, "status": "done", "reason": "", "result": done.result, "provenance": done.provenance
            }
            _write(root, row, done.arrays)
    except EcgDeployError as error:
        reason = str(error)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    statuses = []
    for cell in todo:
        if finished(root, cell):
            statuses.append((cell, "done", ""))
        else:
            _write(root, common | {"cell": cell, "status": "failed", "reason": reason, "result": {}}, {})
            statuses.append((cell, "failed", reason))
    return statuses


def run(
    study: str,
    folder: Path,
    *,
    quick: bool = False,
    ablate: bool = False,
    jobs: int = 1,
    cluster: str | None = None,
    data: Path | None = None,
    threads: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Run every cell that has no row yet.

    Parameters
    ----------
    folder : Path
        The study's folder; one study in one form (quick or full) a folder.
    jobs : int
        Processes on this machine.
    cluster : str, optional
        Address of a Dask scheduler (``tcp://host:port``) whose workers see `folder` and the data under the same paths.
    report : callable
        Called with one line a cell.

    Returns
    -------
    list of dict
        All rows.

    Raises
    ------
    UsageError
        Unknown study, or a folder of another study.
    DeviceError
        The cluster does not answer.
    """
    units = load(study).units(quick, ablate)
    _claim(folder, study, quick)
    todo = [unit for unit in units if not all(finished(folder, cell) for cell in unit.cells)]
    report(f"{len(units)} units, {len(todo)} to do")
    tasks = [
        (study, unit, str(folder.resolve()), quick, str(data.resolve()) if data else None, threads) for unit in todo
    ]
    for statuses in _results(tasks, jobs, cluster):
        for cell, status, reason in statuses:
            report(f"{cell}: {status}{' - ' + reason if reason else ''}")
    return read_rows(folder)


def _claim(folder: Path, study: str, quick: bool) -> None:
    path = folder / "study.json"
    wanted = {"study": study, "quick": quick}
    if path.exists() and json.loads(path.read_text()) != wanted:
        raise UsageError(f"{folder} holds another study or another form of it", "choose another --output")
    write_atomic(path, json.dumps(wanted) + "\n")


def _results(tasks: list[tuple[Any, ...]], jobs: int, cluster: str | None) -> Iterator[list[tuple[str, str, str]]]:
    if cluster:
        yield from _on_cluster(tasks, cluster)
    elif jobs == 1:
        for task in tasks:
            yield run_unit(*task)
    else:
        with workers(jobs) as pool:
            futures: dict[Future[Any], tuple[Any, ...]] = {pool.submit(run_unit, *task): task for task in tasks}
            for future in as_completed(futures):
                try:
                    yield future.result()
                except BrokenProcessPool:
                    # one process was killed (memory?) and the pool with it: these cells have no row and are run again
                    unit: Unit = futures[future][1]
                    yield [(cell, "failed", "a process of the study was killed; run again") for cell in unit.cells]


def workers(jobs: int) -> ProcessPoolExecutor:
    """Processes that end when this one does, however it ends: they would train on for hours, seen by nobody."""
    # spawn: TensorFlow does not survive a fork
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_leave_with_parent)


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)  # rows are written whole or not at all

    threading.Thread(target=watch, daemon=True).start()


def _on_cluster(tasks: list[tuple[Any, ...]], address: str) -> Iterator[list[tuple[str, str, str]]]:
    try:
        import distributed
    except ImportError as error:
        raise UsageError("--cluster needs Dask's distributed", "pip install 'ecgdeploy[cluster]'") from error
    try:
        client = distributed.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise DeviceError(f"no Dask scheduler answers at {address}", "dask scheduler prints its address") from error
    with client:
        futures = [client.submit(run_unit, *task, pure=False) for task in tasks]
        for future in distributed.as_completed(futures):
            yield future.result()
