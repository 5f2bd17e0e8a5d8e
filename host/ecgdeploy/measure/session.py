"""From names (board, preset, task) to a finished measurement: what ``ecgdeploy measure`` and ``demo`` do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgdeploy.errors import DeviceError, UsageError
from ecgdeploy.measure.made_from import refuse_other_split
from ecgdeploy.measure.run import Progress, Request, measure
from ecgdeploy.provenance import sha256_file

if TYPE_CHECKING:
    from ecgdeploy.projects import Build

#: the task of a model that is no preset
TASK = "mitbih-beats"
#: what a view has one of for every window
COLUMNS = ("inputs", "targets", "record_ids", "positions", "person")


@dataclass(frozen=True)
class Choice:
    """What a person chose; None means the default. See ``ecgdeploy measure --help``.

    `task` is by default the one the preset was trained for; `first` keeps the first windows alone (a quick check).
    """

    board: str = "nano33ble"
    model: str = "beat-cnn"
    float_model: Path | None = None
    engine: str | None = None
    task: str | None = None
    data: Path | None = None
    limit: int | None = None
    first: int | None = None
    emulate: bool = False
    uart: bool = False
    port: str | None = None
    project: Path | None = None
    output: Path | None = None
    resume: bool = False
    gates: Path | None = None
    operators: bool = False


@dataclass(frozen=True)
class Outcome:
    """A finished run: its folder and its result (``MeasureResult.as_dict()``)."""

    folder: Path
    result: dict[str, Any]


def run(choice: Choice, progress: Progress) -> Outcome:
    """Build if needed, stream, score. Raises EcgDeployError; what was measured stays in the run folder."""
    from ecgdeploy import zoo
    from ecgdeploy.devices import open_device
    from ecgdeploy.ecg.tasks import load_task
    from ecgdeploy.ecg.tasks.beats import BeatTask
    from ecgdeploy.measure.gates import read_gates
    from ecgdeploy.projects import build, load_build

    gates = read_gates(choice.gates) if choice.gates else None
    if choice.emulate == (choice.port is not None):
        raise UsageError("measure needs one device", "give --emulate, or --port with a serial device or URL")
    if choice.model.endswith(".tflite") or "/" in choice.model:
        model, float_model, name = Path(choice.model), choice.float_model, Path(choice.model).name
        task_name = choice.task or TASK
    else:
        preset = zoo.preset(choice.model)
        model, float_model, name = preset.int8, choice.float_model or preset.float32, choice.model
        task_name = choice.task or preset.card["task"]
    if choice.float_model is not None and not choice.float_model.is_file():
        raise UsageError(f"no model file {choice.float_model}", "give the float32 .tflite, or leave --float-model out")
    if choice.port and choice.port.startswith("/") and not Path(choice.port).exists():
        raise DeviceError(f"{choice.port}: there is no such port", "is the board plugged in? See 'ecgdeploy ports'")
    progress("build", 0, 1)
    if choice.project is None:
        firmware = build(model, choice.board, engine=choice.engine, emulate=choice.emulate)
    else:
        firmware = load_build(choice.project)
        if not model.is_file() or firmware.manifest["model"]["sha256"] != sha256_file(model):
            raise UsageError(f"{firmware.folder} was not built from {model}", "give the --model that it runs")
        if firmware.manifest["emulated"] != choice.emulate:
            raise UsageError(f"{firmware.folder} was built for {'the twin' if choice.port else 'a real board'}",
                             "give --emulate for a twin's build, --port for a board's")
    progress("build", 1, 1)
    progress("recordings", 0, 1)
    task = load_task(task_name, data=choice.data)
    whole = False
    if choice.limit is None and isinstance(task, BeatTask):
        whole, test = True, task.test(every_beat=True)
    else:
        test = task.test(limit_per_record=choice.limit)
    if choice.first is not None:
        given = [key for key in COLUMNS if getattr(test, key) is not None]
        test = replace(test, **{key: getattr(test, key)[: choice.first] for key in given})
    refuse_other_split(model, task)
    progress("recordings", 1, 1)
    folder = choice.output or Path("runs") / "-".join((choice.board, Path(name).stem, firmware.manifest["engine"]))
    request = Request(
        model=model,
        float_model=float_model,
        name=name,
        test=test,
        build=firmware,
        open_device=lambda: open_device(**_line(choice, firmware), expect_model=firmware.manifest["model"]["sha256"]),
        folder=folder,
        resume=choice.resume,
        whole_records=whole,
        groups=getattr(task, "groups", {}),
        record_of=getattr(getattr(task, "reader", None), "record", None),
        board_state=_board_state(choice, firmware),
        on_board=_on_board(choice, firmware),
        gates=gates,
        operators=choice.operators,
    )
    return Outcome(folder, measure(request, progress).as_dict())


def _board_state(choice: Choice, firmware: Build) -> Callable[[], dict[str, Any]] | None:
    """How a Linux board's state is read; for an emulated one, that there is none."""
    from ecgdeploy.projects import board_of

    linux = board_of(firmware.manifest).linux
    if linux is None:
        return None
    if not (choice.port or "").startswith("ssh://"):
        why = "emulated: this computer's state is not the board's" if choice.emulate else "not reached over SSH"
        return lambda: {"throttled": None, "throttling": why, "temperature_c": None, "power_mw": None, "power": why,
                        "rails_mw": {}}

    def read() -> dict[str, Any]:
        from ecgdeploy.devices.board_state import read_state
        from ecgdeploy.devices.ssh import own_remote

        with own_remote(str(choice.port)) as remote:
            return asdict(read_state(remote, linux))

    return read


def _on_board(choice: Choice, firmware: Build) -> Callable[[], dict[str, Any]] | None:
    """How a Linux board's own benchmark is run; for an emulated one, that there are no figures."""
    from ecgdeploy.measure.on_board import bench, unavailable
    from ecgdeploy.projects import board_of

    linux = board_of(firmware.manifest).linux
    if linux is None:
        return None
    if choice.emulate:
        return lambda: unavailable("emulated: this computer's time and memory are not the board's")
    if not (choice.port or "").startswith("ssh://"):
        return lambda: unavailable("not reached over SSH")

    def run_bench() -> dict[str, Any]:
        from ecgdeploy.devices.ssh import own_remote

        with own_remote(str(choice.port)) as remote:
            return bench(remote, linux)

    return run_bench


def _line(choice: Choice, firmware: Build) -> dict[str, Any]:
    """How the device is reached: a port, or its emulated twin."""
    return {"port": choice.port} if choice.port else emulated_line(firmware, choice.uart)


def emulated_line(firmware: Build, uart: bool = False) -> dict[str, Any]:
    """`open_device`'s keys for a twin: QEMU's machine, or (a Linux board's program) QEMU's user-mode emulation."""
    facts = firmware.manifest["facts"]
    if "emulator" in facts:
        command = [part.replace("{folder}", str(firmware.folder)) for part in facts["emulator"]]
        return {"process": [*command, str(firmware.elf)]}
    return {"elf": firmware.elf, "uart": uart} | {key: facts[key] for key in ("machine",) if key in facts}
