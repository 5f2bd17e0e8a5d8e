"""Stream a test set through a device and score what the device answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgdeploy.errors import DataError, DeviceError
from ecgdeploy.measure.model import ModelFile, paired
from ecgdeploy.measure.references import (
    DELEGATE,
    REFERENCE_KERNELS,
    Golden,
    LiteRt,
    agreement,
    golden,
    litert_stored,
    repeats_litert,
)
from ecgdeploy.measure.result import BitExact, Latency, LinkUse, MeasureResult, Memory
from ecgdeploy.measure.score import per_record, score_column
from ecgdeploy.measure.validity import TIME, spoilt
from ecgdeploy.measure.validity import codes as validity_codes
from ecgdeploy.provenance import canonical_json, sha256_file, sha256_json, versions, write_atomic

if TYPE_CHECKING:
    from ecgdeploy.devices import Device, Hello, Inference
    from ecgdeploy.ecg.record import Record
    from ecgdeploy.ecg.views import TestView
    from ecgdeploy.measure.gates import Gates
    from ecgdeploy.projects import Build

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes
    ----------
    model, float_model : the file the board runs, and its float32 sibling for the table (or None).
    name : the model's name in the table.
    test : typed view of test records; nothing else is accepted.
    build : the firmware, with its manifest and sizes.
    open_device : returns a context manager that gives a connected device.
    folder : where the journal and the result go.
    resume : continue the journal of an interrupted run.
    record_of : name to record, for the strip of ECG in the page and for EC57.
    groups : of a task with several heads: name of the group to its (first, one past last) class.
    whole_records : every beat of the test records is in `test`, so that the device can be scored as an annotator.
    gates : what the run has to reach, declared with it.
    board_state : reads a Linux board's heat, throttling and power (`BoardState` as a dict), before and after the run.
    on_board : lets a Linux board time itself (`ecgdeploy.measure.on_board`), after the run.
    operators : also count the instructions of each operator, in an emulated image of their own.
    """

    model: Path
    float_model: Path | None
    name: str
    test: TestView
    build: Build
    open_device: Callable[[], Device]
    folder: Path
    resume: bool = False
    record_of: Callable[[str], Record] | None = None
    whole_records: bool = False
    groups: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    board_state: Callable[[], dict[str, Any]] | None = None
    on_board: Callable[[], dict[str, Any]] | None = None
    gates: Gates | None = None
    operators: bool = False


def measure(request: Request, progress: Progress | None = None) -> MeasureResult:
    """Measure a model on a device over a whole test set.

    Every window's answer is in the journal, on disk, before it counts; an interrupted run is resumed with
    ``resume=True`` and ends with the same result as an undisturbed one.

    Raises
    ------
    DeviceError
        The device runs another model or build, dies, or stops answering. What was measured stays in the journal.
    """
    from ecgdeploy.measure.engine_view import operators_of, plan_of
    from ecgdeploy.measure.journal import Journal

    report = progress or _silent
    test, model = _checked_view(request.test), ModelFile.read(request.model)
    model.class_order(request.groups, len(test.classes))  # refuse before anything is streamed
    if model.logits and test.targets.ndim == 2:  # of one label, the largest is the answer all the same
        raise DataError(f"{request.model.name} ends in logits, the task's classes are scored at 0.5",
                        "end the model with a sigmoid")
    stored = _encode(model, test)
    run_id = _identity(request, model, stored)
    request.folder.mkdir(parents=True, exist_ok=True)
    with Journal.open(request.folder / "journal.jsonl", run_id, resume=request.resume) as journal:
        before = request.board_state() if request.board_state else None
        _stream(request, stored, journal, report)
        after = request.board_state() if request.board_state else None
        answers, link = _Answers.read(journal, len(stored), model), _total(journal.notes)
        lines = [canonical_json({"index": index, **_lasting(journal[index])}) for index in range(len(stored))]
    tensors = _split_inputs(model, stored)
    if request.build.manifest["engine"] == "litert":
        # the same runtime on this computer is what the board's must repeat; TFLM's kernels round otherwise
        reference = litert_stored(request.model, tensors, DELEGATE)
        others = [reference, litert_stored(request.model, tensors, REFERENCE_KERNELS)]
    else:
        reference, others = golden(request.model, tensors, lambda d, t: report("golden reference", d, t)), []
        if request.on_board is not None:  # a Linux board: also beside the other engine's reference
            others = [litert_stored(request.model, tensors, REFERENCE_KERNELS)]
    if any(state and state["throttled"] for state in (before, after)):
        answers = replace(answers, flags=(*answers.flags, "throttled"))
    emulated = request.build.manifest["emulated"] or bool(before and before.get("machine"))
    result = _result(request, model, test, answers, reference, link, report, emulated)
    extra: dict[str, Any] = {}
    if others:
        extra["agreement"] = [asdict(agreement(answers.outputs, other)) for other in others]
    if before is not None:
        extra["board_state"] = {"before": before, "after": after}
    if (plan := plan_of(request.model, request.build.manifest)) is not None:
        extra["plan"] = plan
    if request.operators:
        report("instructions per operator", 0, 1)
        extra["operators"] = operators_of(request.model, request.build.manifest, [array[:1] for array in tensors])
    if request.on_board is not None:
        report("on-board benchmark", 0, 1)
        extra["on_board"] = request.on_board()
    if extra:
        result = replace(result, extra={**result.extra, **extra})
    _write(request.folder, result, lines)
    write_atomic(request.folder / "build.json", canonical_json(request.build.manifest) + "\n")
    return result


def _lasting(entry: dict[str, Any]) -> dict[str, Any]:
    """An answer without its stack: a mark since start depends on what was run before, and so on interruptions."""
    return {key: value for key, value in entry.items() if key != "stack"}


def _write(folder: Path, result: MeasureResult, lines: list[str]) -> None:
    """``results.jsonl`` (every answer) and ``result.json``: the same bytes whether or not the run was interrupted.

    What the link carried depends on interruptions, so it is in ``link.json``.
    """
    content = result.as_dict()
    link = content.pop("link")
    write_atomic(folder / "results.jsonl", "".join(f"{line}\n" for line in lines))
    write_atomic(folder / "result.json", canonical_json(content) + "\n")
    write_atomic(folder / "link.json", canonical_json(link) + "\n")


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def _total(notes: Iterable[dict[str, Any]]) -> LinkUse:
    """Sum of what every sitting of the run moved."""
    total: dict[str, Any] = {"payload_bytes": 0, "wire_bytes": 0, "retries": 0, "inferences": 0, "host_s": 0.0}
    transport = None
    for note in notes:
        transport = note["transport"]
        for key in total:
            total[key] += note.get(key, 0)
    return LinkUse.of(transport, **total)


def _checked_view(view: Any) -> TestView:
    from ecgdeploy.ecg.views import for_scoring

    test = for_scoring(view)
    if len(test) == 0:
        raise DataError("the test set is empty", "choose other records or a larger --limit")
    return test


def _encode(model: ModelFile, test: TestView) -> np.ndarray:
    """Input bytes of every window, uint8 [n, bytes]; a model with several inputs takes them end to end."""
    arrays = paired(model.inputs, test.arrays(len(model.inputs)))
    parts = [coding.encode(array) for coding, array in zip(model.inputs, arrays, strict=True)]
    stored = [np.ascontiguousarray(part.reshape(len(part), -1)).view(np.uint8) for part in parts]
    return stored[0] if len(stored) == 1 else np.concatenate(stored, axis=1)


def _split_inputs(model: ModelFile, stored: np.ndarray) -> list[np.ndarray]:
    """The stored tensors of `_encode`'s bytes again: one array [n, *shape[1:]] per model input."""
    arrays, start = [], 0
    for coding in model.inputs:
        chunk = np.ascontiguousarray(stored[:, start : start + coding.nbytes])
        arrays.append(chunk.view(coding.dtype).reshape((len(stored), *coding.shape[1:])))
        start += coding.nbytes
    return arrays


def _identity(request: Request, model: ModelFile, stored: np.ndarray) -> dict[str, Any]:
    """What makes two journals the same run: firmware, model and the very bytes that are sent."""
    import zlib

    return {
        "board": request.build.manifest["board"],
        "engine": request.build.manifest["engine"],
        "build_id": request.build.build_id,
        "model_sha256": model.sha256,
        "windows": len(stored),
        "inputs_crc32": zlib.crc32(stored.tobytes()),
        "data": sha256_json(request.test.provenance),
        # a run goes on under the gates it was begun with, or not at all
        **({"gates": request.gates.sha256} if request.gates else {}),
    }


def _stream(request: Request, stored: np.ndarray, journal: Any, report: Progress) -> None:
    """Send every window that the journal lacks; journal each answer."""
    missing = [index for index in range(len(stored)) if index not in journal]
    if not missing:
        return
    done = len(stored) - len(missing)
    with request.open_device() as device:
        _check_build(device.hello, request)
        answers = device.infer_many(stored[index].tobytes() for index in missing)
        for index, answer in zip(missing, answers, strict=True):
            journal.append(index, _entry(index, request.test, answer))
            done += 1
            report("on the device", done, len(stored))
        journal.note(_link_use(device))


def _check_build(hello: Hello, request: Request) -> None:
    """Refuse a device that runs another build than the one we think; another model was refused when it was greeted."""
    if hello.build_id != request.build.build_id:
        raise DeviceError(f"the device runs build {hello.build_id}, not {request.build.build_id}",
                          "flash this build first: ecgdeploy flash")


def _link_use(device: Device) -> dict[str, Any]:
    use = device.statistics
    return {"transport": device.name, "payload_bytes": use.payload_bytes,
            "wire_bytes": use.bytes_sent + use.bytes_received, "retries": use.retries,
            "inferences": use.inferences, "host_s": use.host_s}


def _entry(index: int, test: TestView, answer: Inference) -> dict[str, Any]:
    return {
        "record": str(test.record_ids[index]),
        "position": int(test.positions[index]),
        "outputs": [output.hex() for output in answer.outputs],
        "input_crc": answer.input_crc,
        "output_crc": answer.output_crc,
        "status": answer.status,
        "ticks": answer.ticks,
        "unit": answer.unit,
        "stack": answer.stack_used,
        "flags": list(answer.flags),
    }


@dataclass(frozen=True)
class _Answers:
    """The journal's answers as arrays, in window order."""

    outputs: list[np.ndarray]
    ticks: np.ndarray
    unit: str
    stack: int
    flags: tuple[str, ...]

    @classmethod
    def read(cls, journal: Any, count: int, model: ModelFile) -> _Answers:
        entries = [journal[index] for index in range(count)]
        outputs = [
            np.stack([np.frombuffer(bytes.fromhex(entry["outputs"][k]), coding.dtype) for entry in entries])
            for k, coding in enumerate(model.outputs)
        ]
        flags = sorted({flag for entry in entries for flag in entry["flags"]})
        return cls(outputs, np.array([entry["ticks"] for entry in entries], dtype=np.int64), entries[0]["unit"],
                   max(entry["stack"] for entry in entries), tuple(flags))


def _result(request: Request, model: ModelFile, test: TestView, answers: _Answers, reference: Golden,
            link: LinkUse, report: Progress, emulated: bool) -> MeasureResult:
    classes = tuple(test.classes)
    report("host LiteRT", 0, 1)
    values = test.arrays(len(model.inputs))
    outputs = [coding.decode(output) for coding, output in zip(model.outputs, answers.outputs, strict=True)]
    columns = {"device": _joined(outputs, model, request)}
    precision = {"int16": "int16x8", "float32": "float32"}.get(model.outputs[0].dtype.name, "int8")
    columns[f"host {precision}"] = _host(model, request, values)
    if request.float_model is not None:
        columns["host float32"] = _host(ModelFile.read(request.float_model), request, values)
    records = np.asarray(test.record_ids)
    scored = {name: score_column(scores, test.targets, classes, records) for name, scores in columns.items()}
    exact, difference = _compare(answers.outputs, reference)
    if difference and request.build.manifest["engine"] == "litert" and repeats_litert(answers.outputs, reference):
        difference = None  # XNNPACK's kernels for another processor: a rounding apart, which `agreement` reports
    # a time taken on this computer is no claim, so that it cannot be spoilt
    ticks = answers.ticks[:0] if emulated and answers.unit == "nanoseconds" else answers.ticks
    validity = validity_codes(answers.flags, ticks, emulated=emulated, difference=difference)
    verdicts = columns["device"].argmax(axis=1) if test.targets.ndim == 1 else None
    return MeasureResult(
        provenance=_provenance(request, model, test) | {"golden": reference.source, "emulated": emulated},
        classes=classes,
        columns=scored,
        bit_exact=exact,
        latency=Latency.of(answers.ticks, answers.unit, emulated, spoilt(validity, TIME)),
        memory=_memory(request.build, answers.stack),
        link=link,
        validity=validity,
        records=per_record(test, verdicts),
        extra=_extra(request, test, verdicts, columns["device"]),
    )


def _host(model: ModelFile, request: Request, values: tuple[np.ndarray, ...]) -> np.ndarray:
    return _joined(LiteRt(model.path).run(values), model, request)


def _joined(outputs: list[np.ndarray], model: ModelFile, request: Request) -> np.ndarray:
    """Outputs as one array [n, classes], in the order of the task's classes."""
    order = model.class_order(request.groups, len(request.test.classes))
    return np.concatenate([outputs[k].reshape(len(outputs[k]), -1) for k in order], axis=1)


def _compare(outputs: list[np.ndarray], reference: Golden) -> tuple[BitExact, str | None]:
    """Byte for byte: also -0.0 against 0.0, and one NaN against another."""
    ours, gold = (
        np.concatenate([np.ascontiguousarray(o).view(np.uint8).reshape(len(o), -1) for o in some], axis=1)
        for some in (outputs, reference.outputs)
    )
    same = (ours == gold).all(axis=1)
    first = None
    if not same.all():
        window, byte = (int(place[0]) for place in np.nonzero(ours != gold))
        first = f"window {window}, output byte {byte}"
    return BitExact(len(same), int(same.sum())), first


def _memory(build: Build, stack: int) -> Memory | None:
    from ecgdeploy.projects import board_of

    sizes = build.sizes
    board = board_of(build.manifest)
    if sizes is None or board.memory is None:
        return None
    return Memory(
        flash_total=sizes.flash, flash_limit=board.memory.flash.bytes, flash_sections=sizes.flash_by_section,
        flash_parts=sizes.flash_by_part, ram_static=sizes.ram, ram_parts=sizes.ram_by_part,
        stack_high_water=stack, ram_limit=board.memory.ram.bytes,
    )


def _provenance(request: Request, model: ModelFile, test: TestView) -> dict[str, Any]:
    from ecgdeploy.projects import board_of

    manifest = request.build.manifest
    board = board_of(manifest)
    return {
        "model": request.name,
        "model_sha256": model.sha256,
        "float_model_sha256": sha256_file(request.float_model) if request.float_model else None,
        "board": manifest["board"],
        "emulated": manifest["emulated"],
        "twin": board.twin.machine if manifest["emulated"] and board.twin else None,
        "engine": manifest["engine"],
        "build_id": request.build.build_id,
        "firmware_sha256": sha256_file(request.build.elf) if request.build.elf else None,
        "build": manifest["facts"],
        "source": test.source,
        "synthetic": test.synthetic,
        "split": test.provenance.get("split"),
        "data": test.provenance,
        "windows": len(test.inputs),
        "records": len(set(map(str, test.record_ids))),
        "versions": versions("numpy", "wfdb", "ai-edge-litert", "tflite-micro"),
        **({"gates": {"sha256": request.gates.sha256, "declared": request.gates.as_json()}} if request.gates else {}),
    }


def _extra(request: Request, test: TestView, verdicts: np.ndarray | None, scores: np.ndarray) -> dict[str, Any]:
    from ecgdeploy.measure.mistakes import make_mistakes
    from ecgdeploy.measure.strip import make_strip

    extra: dict[str, Any] = {"mistakes": make_mistakes(test, scores, request.record_of)}
    if verdicts is None or request.record_of is None or (test.positions < 0).any():
        return extra
    extra["strip"] = make_strip(test, verdicts, request.record_of)
    if request.whole_records:
        from ecgdeploy.measure.beats import score_as_annotator

        extra["ec57"] = score_as_annotator(test, verdicts, request.record_of, request.folder / "annotations")
    return extra
