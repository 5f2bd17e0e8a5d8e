"""pytest plugin: tests on a device, the emulated twin by default, a real board with one option. See docs/hil.md.

Fixtures: ``board``, ``firmware``, ``device``, ``dataset``, ``golden``; override ``ecg_model`` and ``ecg_task`` for
your own model.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ecgdeploy.errors import DeviceError, EcgDeployError

if TYPE_CHECKING:
    import numpy as np

    from ecgdeploy.boards import Board
    from ecgdeploy.devices import Device, Inference
    from ecgdeploy.devices.inventory import Target
    from ecgdeploy.ecg.views import TestView
    from ecgdeploy.projects import Build

DEFAULT_BOARD = "nano33ble"
DEFAULT_MODEL = "beat-cnn"
DEFAULT_TASK = "mitbih-beats"
DEFAULT_LIMIT = 40
EXIT_DEVICE = DeviceError.exit_code


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the group ``ecgdeploy``."""
    group = parser.getgroup("ecgdeploy", "ECG models on devices (ecgdeploy)")
    group.addoption("--ecg-board", help=f"board to test on, or its twin (default {DEFAULT_BOARD})")
    group.addoption("--ecg-port", help="serial port or URL of a real board that runs the firmware already")
    group.addoption("--ecg-emulate", action="store_true", help="test on the emulated twin (the default without a port)")
    group.addoption("--ecg-engine", help="static, tflm or litert (default: the board's own)")
    group.addoption("--ecg-inventory", type=Path, help="YAML file of boards; tests take whichever is free")
    group.addoption("--ecg-model", help=f"preset or .tflite file where a test names none (default {DEFAULT_MODEL})")
    group.addoption("--ecg-task", help=f"task where a test names none (default {DEFAULT_TASK})")
    group.addoption(
        "--ecg-limit", type=int, default=DEFAULT_LIMIT, help=f"windows of a task to test with (default {DEFAULT_LIMIT})"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Markers, and options that exclude each other."""
    config.addinivalue_line("markers", "hardware: needs a real board (--ecg-port or --ecg-inventory)")
    config.addinivalue_line("markers", "emulated: needs the emulated twin")
    given = [name for name in ("--ecg-port", "--ecg-inventory") if config.getoption(name)]
    if config.getoption("--ecg-emulate"):
        given.append("--ecg-emulate")
    if len(given) > 1:
        raise pytest.UsageError(f"{' and '.join(given)} exclude each other")


def pytest_sessionstart(session: pytest.Session) -> None:
    """A port with nothing behind it ends the session before anything is built."""
    config = session.config
    if hasattr(config, "workerinput") or not config.getoption("--ecg-port"):
        return
    from ecgdeploy.devices import open_device
    from ecgdeploy.devices.inventory import lease

    try:
        with lease(_targets(config)) as target, open_device(port=target.port, baud=target.baud) as device:
            wanted = config.getoption("--ecg-model")
            if wanted and device.hello.model_sha256 != _model_hash(_model_path(wanted)):
                raise DeviceError(
                    f"{target.port}: the device runs model {device.hello.model_sha256[:12]}…, not {wanted}",
                    "flash the firmware built from it",
                )
    except EcgDeployError as error:
        pytest.exit(str(error), returncode=EXIT_DEVICE)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what this session's kind of device cannot run, saying what would."""
    real = _real(config)
    for item in items:
        if item.get_closest_marker("hardware") and not real:
            item.add_marker(pytest.mark.skip(reason="needs a real board: give --ecg-port or --ecg-inventory"))
        if item.get_closest_marker("emulated") and real:
            item.add_marker(pytest.mark.skip(reason="needs the emulated twin: leave --ecg-port out"))


def _real(config: pytest.Config) -> bool:
    return any(not target.emulated for target in _targets(config))


def _targets(config: pytest.Config) -> list[Target]:
    """Devices this session may use."""
    from ecgdeploy.devices.inventory import Target, read_inventory

    board, path = config.getoption("--ecg-board"), config.getoption("--ecg-inventory")
    if path is None:
        return [Target(board or DEFAULT_BOARD, config.getoption("--ecg-port"))]
    try:
        entries = read_inventory(path)
    except EcgDeployError as error:
        raise pytest.UsageError(str(error)) from error
    chosen = [entry for entry in entries if board in (None, entry.board)]
    if not chosen:
        raise pytest.UsageError(f"{path}: has no board '{board}'")
    return chosen


def _model_path(model: str | Path) -> Path:
    from ecgdeploy import zoo

    name = str(model)
    return Path(name) if name.endswith(".tflite") or "/" in name else zoo.preset(name).int8


def _model_hash(path: Path) -> str:
    from ecgdeploy.provenance import sha256_file

    return sha256_file(path)


def _clearly(error: EcgDeployError) -> Any:
    """A user's error as one sentence instead of a traceback."""
    pytest.fail(str(error), pytrace=False)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Test windows of a task for the model under test.

    Attributes
    ----------
    view : TestView
        Windows, targets, records: as ``load_task(...).test()`` gives them, the first ``--ecg-limit`` of them.
    encoded : list of bytes
        Each window as the model's input tensor takes it.
    """

    view: TestView
    encoded: list[bytes]

    @property
    def targets(self) -> np.ndarray:
        """True classes, int [n], or 0/1 [n, classes]."""
        return self.view.targets[: len(self.encoded)]


@pytest.fixture(scope="module")
def ecg_model(request: pytest.FixtureRequest) -> str:
    """Preset or ``.tflite`` file under test; override it in a test module."""
    return request.config.getoption("--ecg-model") or DEFAULT_MODEL


@pytest.fixture(scope="module")
def ecg_task(request: pytest.FixtureRequest) -> str:
    """Name of the task that gives `dataset`; override it in a test module."""
    return request.config.getoption("--ecg-task") or DEFAULT_TASK


@pytest.fixture
def ecg_target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The device of this test, locked for it. For each test anew, so that workers of pytest-xdist can take turns."""
    from ecgdeploy.devices.inventory import lease

    try:
        with lease(_targets(request.config)) as target:
            yield target
    except DeviceError as error:
        _clearly(error)


@pytest.fixture
def board(ecg_target: Target) -> Board:
    """Facts of the board under test."""
    from ecgdeploy.boards import load_board

    try:
        return load_board(ecg_target.board)
    except EcgDeployError as error:
        return _clearly(error)


@pytest.fixture
def firmware(request: pytest.FixtureRequest, ecg_target: Target, ecg_model: str) -> Build:
    """The model's firmware: built for the twin; for a real board only rendered, which is enough for its build id."""
    from ecgdeploy.projects import build

    engine = request.config.getoption("--ecg-engine")
    try:
        return build(
            _model_path(ecg_model),
            ecg_target.board,
            engine=engine,
            emulate=ecg_target.emulated,
            render_only=not ecg_target.emulated,
        )
    except EcgDeployError as error:
        return _clearly(error)


@pytest.fixture
def device(request: pytest.FixtureRequest, ecg_target: Target, ecg_model: str) -> Iterator[Device]:
    """A connected device that runs `ecg_model`; its measurements go into the JUnit report as properties."""
    from ecgdeploy.devices import open_device

    try:
        wanted = _model_hash(_model_path(ecg_model))
        if ecg_target.emulated:
            image = request.getfixturevalue("firmware")
            machine = request.getfixturevalue("board").twin.machine
            opened = open_device(elf=image.elf, expect_model=wanted, machine=machine)
        else:
            opened = open_device(port=ecg_target.port, baud=ecg_target.baud)
        opened.__enter__()
    except EcgDeployError as error:
        _clearly(error)
    try:
        if opened.hello.model_sha256 != wanted:
            pytest.skip(f"{ecg_target.name} runs another model: flash it with {ecg_model} to run this test")
        ticks: list[int] = []
        _listen(opened, ticks)
        yield opened
        request.node.user_properties.extend(_properties(opened, ecg_target, ticks))
    finally:
        opened.__exit__(None, None, None)


def _listen(device: Device, ticks: list[int]) -> None:
    """Note the time of every inference the test runs."""
    client = device._client
    run = client.infer_many

    def infer_many(inputs: Iterable[bytes]) -> Iterator[Inference]:
        for result in run(inputs):
            ticks.append(result.ticks)
            yield result

    client.infer_many = infer_many  # type: ignore[method-assign]


def _properties(device: Device, target: Target, ticks: list[int]) -> list[tuple[str, object]]:
    hello, use = device.hello, device.statistics
    found: list[tuple[str, object]] = [
        ("ecg_device", target.name),
        ("ecg_engine", hello.engine),
        ("ecg_build_id", hello.build_id),
        ("ecg_model_sha256", hello.model_sha256),
        ("ecg_inferences", use.inferences),
        ("ecg_retries", use.retries),
        ("ecg_goodput", round(use.goodput, 4)),
        ("ecg_static_ram_bytes", hello.static_ram),
    ]
    if ticks:
        found.append((f"ecg_{hello.unit}_min", min(ticks)))
        found.append((f"ecg_{hello.unit}_median", statistics.median(ticks)))
        found.append((f"ecg_{hello.unit}_max", max(ticks)))
    return found


@pytest.fixture(scope="module")
def dataset(request: pytest.FixtureRequest, ecg_model: str, ecg_task: str) -> Dataset:
    """Test windows for the model under test; synthetic ones where no recordings are at hand (the view says so)."""
    from ecgdeploy.ecg.tasks import load_task
    from ecgdeploy.measure.model import ModelFile

    try:
        view = load_task(ecg_task).test()
        coding = ModelFile.read(_model_path(ecg_model)).inputs[0]
        stored = coding.encode(view.inputs[: request.config.getoption("--ecg-limit")])
    except EcgDeployError as error:
        return _clearly(error)
    return Dataset(view, [window.tobytes() for window in stored])


@pytest.fixture(scope="module")
def golden(ecg_model: str) -> Callable[[list[bytes]], list[tuple[bytes, ...]]]:
    """What the golden reference answers to encoded inputs: the bytes of each output, as a device gives them."""
    import numpy as np

    from ecgdeploy.measure.model import ModelFile
    from ecgdeploy.measure.references import golden as reference

    path = _model_path(ecg_model)
    model = ModelFile.read(path)

    def answers(encoded: list[bytes]) -> list[tuple[bytes, ...]]:
        whole = np.stack([np.frombuffer(item, np.uint8) for item in encoded])
        inputs, start = [], 0
        for coding in model.inputs:
            part = np.ascontiguousarray(whole[:, start : start + coding.nbytes])
            inputs.append(part.view(coding.dtype).reshape((len(encoded), *coding.shape[1:])))
            start += coding.nbytes
        outputs = reference(path, inputs).outputs
        return [tuple(output[i].tobytes() for output in outputs) for i in range(len(encoded))]

    return answers
