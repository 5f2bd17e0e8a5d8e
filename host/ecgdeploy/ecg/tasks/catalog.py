"""The record tasks: which data set, which classes, which preprocessing, which split."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgdeploy.ecg import locate, stratify
from ecgdeploy.ecg.preprocessing import BandPass, FillMissing, PadCrop, Pipeline, Resample, SelectLeads
from ecgdeploy.ecg.record import STANDARD_LEADS
from ecgdeploy.ecg.sources import chapman, cinc2017, cinc2020, cpsc2018, ptbxl
from ecgdeploy.ecg.splits import Split
from ecgdeploy.ecg.tasks.records import RecordTask
from ecgdeploy.ecg.tasks.synthetic import synthetic_task
from ecgdeploy.errors import DataError, unknown
from ecgdeploy.provenance import sha256_file, sha256_json

SEED = 2017
Targets = Callable[[tuple[str, ...]], Iterable[int]]


def load_cinc2017(data: Path | str | None = None) -> RecordTask:
    """``cinc2017``: rhythm N, A, O or ~ of a single-lead record, 250 Hz, padded to 60 s, 75/5/20 % by class.

    Preprocessing and split follow Weimann K, Conrad TOF. Transfer learning for ECG classification. Scientific Reports
    11:5251 (2021).
    """
    folder = locate.find(cinc2017.FOLDER, ("training2017", "training/A00", cinc2017.LABELS), data)
    if folder is None:
        return synthetic_task("cinc2017", cinc2017.CLASSES, _cinc2017_steps(), 250.0, (15_000, 1))
    reader = cinc2017.Cinc2017(folder)
    names = _some(reader.names(), folder)
    numbers = [cinc2017.CLASSES.index(reader.labels[name]) for name in names]
    patients = {name: cinc2017.patient(name) for name in names}
    part = _dealt(stratify.one_hot(numbers, 4), names, patients, (0.75, 0.05, 0.20))
    # the headers have no checksums: only the signal files themselves say whether the data are the same
    files = {name: reader.paths[name].with_suffix(".mat") for name in names}
    hashes = {name: sha256_file(path) for name, path in files.items() if path.is_file()}
    return RecordTask(
        name="cinc2017",
        source=cinc2017.NAME,
        reader=reader,
        split=Split("CinC 2017 stratified 75/5/20", *part, patients),
        classes=cinc2017.CLASSES,
        targets_of=lambda statements: [cinc2017.CLASSES.index(statement) for statement in statements],
        multilabel=False,
        pipeline=_cinc2017_steps(),
        rate=250.0,
        input_shape=(15_000, 1),
        data_sha256=sha256_json([hashes, {name: reader.labels[name] for name in names}]),
    )


def _cinc2017_steps() -> Pipeline:
    return Pipeline((FillMissing(), Resample(250.0), PadCrop(15_000)))


def load_ptbxl_superclasses(data: Path | str | None = None) -> RecordTask:
    """``ptbxl-superclasses``: NORM, MI, STTC, CD, HYP (any of them), 12 leads at 100 Hz; published folds 1-8, 9, 10.

    Records without a diagnostic statement are left out, as in the benchmark of Strodthoff et al. (IEEE J Biomed Health
    Inform 25:1519, 2021).
    """
    return _ptbxl("ptbxl-superclasses", data)


def load_ptbxl_statements(data: Path | str | None = None) -> RecordTask:
    """``ptbxl-statements``: 44 diagnostic, 19 form and 12 rhythm statements (71 distinct ones in 75 outputs)."""
    return _ptbxl("ptbxl-statements", data)


def load_ptbxl_superclasses_500(data: Path | str | None = None) -> RecordTask:
    """``ptbxl-superclasses-500hz``: the same from the 500 Hz records, 5,000 samples."""
    return _ptbxl("ptbxl-superclasses", data, 500)


def load_ptbxl_statements_500(data: Path | str | None = None) -> RecordTask:
    """``ptbxl-statements-500hz``: the same from the 500 Hz records, 5,000 samples."""
    return _ptbxl("ptbxl-statements", data, 500)


def _ptbxl(task: str, data: Path | str | None, rate: int = 100) -> RecordTask:
    steps = Pipeline((FillMissing(), SelectLeads(STANDARD_LEADS), PadCrop(10 * rate)))
    name = task if rate == 100 else f"{task}-{rate}hz"
    folder = locate.find(ptbxl.FOLDER, ptbxl.TABLE, data)
    groups = _statement_groups()
    heads = tuple(f"{group}:{code}" for group in ptbxl.GROUPS for code in ptbxl.STATEMENT_CODES[group])
    classes = ptbxl.SUPERCLASSES if task == "ptbxl-superclasses" else heads
    if folder is None:
        made = synthetic_task(task, classes, steps, float(rate), (10 * rate, 12))
        return replace(made, name=f"{name}-synthetic", groups=groups if task == "ptbxl-statements" else {})
    reader = ptbxl.PtbXl(folder, rate)
    rows = {name: reader.rows[name] for name in _some(reader.names(), folder)}
    if task == "ptbxl-superclasses":
        rows = {name: row for name, row in rows.items() if reader.superclasses(row.codes)}

        def targets_of(statements: tuple[str, ...]) -> Iterable[int]:
            found = reader.superclasses(dict.fromkeys(statements, 0.0))
            return [ptbxl.SUPERCLASSES.index(name) for name in found]
    else:
        places: dict[str, list[int]] = {}
        for number, head in enumerate(heads):
            places.setdefault(head.partition(":")[2], []).append(number)

        def targets_of(statements: tuple[str, ...]) -> Iterable[int]:
            return [number for code in statements for number in places.get(code, ())]

    folds = ptbxl.TRAIN_FOLDS, (ptbxl.VALIDATION_FOLD,), (ptbxl.TEST_FOLD,)
    train, validation, test = (tuple(name for name, row in rows.items() if row.fold in fold) for fold in folds)
    patients = {name: row.patient for name, row in rows.items()}
    headers = {name: sha256_file(folder / f"{row.path}.hea") for name, row in rows.items()}
    return RecordTask(
        name=name,
        source=f"{ptbxl.NAME} ({len(rows):,} records, {rate} Hz)",
        reader=reader,
        split=Split("PTB-XL folds 1-8/9/10", train, validation, test, patients),
        classes=classes,
        targets_of=targets_of,
        multilabel=True,
        pipeline=steps,
        rate=float(rate),
        input_shape=(10 * rate, 12),
        data_sha256=sha256_json([headers, {name: dict(row.codes) for name, row in rows.items()}]),
        groups=groups if task == "ptbxl-statements" else {},
    )


def _statement_groups() -> dict[str, tuple[int, int]]:
    groups, start = {}, 0
    for group in ptbxl.GROUPS:
        end = start + len(ptbxl.STATEMENT_CODES[group])
        groups[group] = (start, end)
        start = end
    return groups


def _twelve_leads_500() -> Pipeline:
    """Gaurhar et al.: 500 Hz, padded with zeros to 5,120 samples."""
    return Pipeline((FillMissing(), SelectLeads(STANDARD_LEADS, absent="zero"), Resample(500.0), PadCrop(5120)))


def twelve_leads_250() -> Pipeline:
    """Ahmed: band-pass, cubic spline to 250 Hz, 10 s."""
    leads = SelectLeads(STANDARD_LEADS, absent="zero")
    return Pipeline((FillMissing(), leads, BandPass(0.5, 40.0), Resample(250.0, "cubic"), PadCrop(2500)))


def load_chapman(data: Path | str | None = None) -> RecordTask:
    """``chapman-rhythm``: AFIB, GSVT, SB or SR; 12 leads, 500 Hz, 5,120 samples; 70/10/20 % by class.

    Read from ``chapman/`` in either published layout, else from the Challenge's copy in ``cinc2021/``.
    """
    classes = tuple(chapman.GROUPS)
    looked_for = ("Diagnostics*", "**/JS*.hea")
    folder = locate.find(chapman.FOLDER, looked_for, data) if _holds(data, chapman.FOLDER) else None
    reader: chapman.Chapman | cinc2020.Cinc2020
    if folder is not None:
        reader, source = chapman.Chapman(folder), chapman.NAME
    else:
        folder = locate.find(cinc2020.FOLDER, ("training", "chapman_shaoxing"), data)
        if folder is None:
            return synthetic_task("chapman-rhythm", classes, _twelve_leads_500(), 500.0, (5120, 12))
        reader = cinc2020.Cinc2020(folder, ("chapman_shaoxing", "ningbo"))
        source = "Chapman-Shaoxing and Ningbo (CinC 2021)"

    def targets_of(statements: tuple[str, ...]) -> Iterable[int]:
        group = chapman.group_of(statements)
        return [] if group is None else [classes.index(group)]

    return _stratified("chapman-rhythm", source, reader, classes, targets_of, False, (0.7, 0.1, 0.2))


def load_cpsc2018(data: Path | str | None = None) -> RecordTask:
    """``cpsc2018``: nine classes (up to three a record); 12 leads, 500 Hz, 5,120 samples; 70/10/20 % by class.

    Read from ``cpsc2018/`` as published, else from the Challenge's copy in ``cinc2021/``.
    """
    classes = cpsc2018.CLASSES
    folder = locate.find(cpsc2018.FOLDER, "**/REFERENCE.csv", data) if _holds(data, cpsc2018.FOLDER) else None
    reader: cpsc2018.Cpsc2018 | cinc2020.Cinc2020
    if folder is not None:
        reader, codes = cpsc2018.Cpsc2018(folder), {name: i for i, name in enumerate(classes)}
    else:
        folder = locate.find(cinc2020.FOLDER, ("training", "cpsc_2018"), data)
        if folder is None:
            return synthetic_task("cpsc2018", classes, _twelve_leads_500(), 500.0, (5120, 12))
        reader = cinc2020.Cinc2020(folder, ("cpsc_2018",))
        codes = {code: i for i, code in enumerate(cpsc2018.SNOMED_CT)}

    def targets_of(statements: tuple[str, ...]) -> Iterable[int]:
        return [codes[code] for code in statements if code in codes]

    return _stratified("cpsc2018", cpsc2018.NAME, reader, classes, targets_of, True, (0.7, 0.1, 0.2))


def load_cinc_without(data: Path | str | None, year: int, held_out: str) -> RecordTask:
    """``cinc2020-heldout-SOURCE``, ``cinc2021-heldout-SOURCE``: the scored classes of a year's Challenge.

    One source tests, the year's other sources train (95 %) and validate (5 %). Band-pass, cubic spline to 250 Hz, 10 s:
    Ahmed 2025. Holding ``cpsc_2018`` out also holds out ``cpsc_2018_extra``.
    """
    tested = ("cpsc_2018", "cpsc_2018_extra") if held_out == "cpsc_2018" else (held_out,)
    subsets = cinc2020.SUBSETS_2020 if year == 2020 else tuple(cinc2020.SUBSETS)
    scored = cinc2020.SCORED_2020 if year == 2020 else cinc2020.SCORED_2021
    if held_out not in subsets:
        raise unknown(f"source of CinC {year}", held_out, subsets)
    name = f"cinc{year}-heldout-{held_out}"
    classes = tuple(scored)
    steps = twelve_leads_250()
    folder = locate.find(cinc2020.FOLDER, ("training", *cinc2020.SUBSETS), data)
    if folder is None:
        return synthetic_task(name, classes, steps, 250.0, (2500, 12))
    reader = cinc2020.Cinc2020(folder, subsets)
    names = _some(reader.names(), folder)
    numbers = {code: i for i, label in enumerate(classes) for code in scored[label]}
    statements = {record: reader.statements(record) for record in names}

    def targets_of(codes: tuple[str, ...]) -> Iterable[int]:
        return [numbers[code] for code in codes if code in numbers]

    test = tuple(record for record in names if reader.subset(record) in tested)
    rest = tuple(record for record in names if record not in set(test))
    if not test or not rest:
        raise DataError(f"{folder}: no record to hold out of {held_out}", "choose a source that is here")
    patients = {record: reader.patient(record) for record in names}
    labels = np.zeros((len(rest), len(classes)), np.uint8)
    for row, record in enumerate(rest):
        labels[row, list(targets_of(statements[record]))] = 1
    part = stratify.stratify(labels, [patients[record] for record in rest], (0.95, 0.05), SEED)
    train, validation = (tuple(np.array(rest)[part == i].tolist()) for i in range(2))
    return RecordTask(
        name=name,
        source=f"{cinc2020.NAME} ({len(names):,} records, {' and '.join(tested)} held out)",
        reader=reader,
        split=Split(f"CinC {year} without {held_out}", train, validation, test, patients),
        classes=classes,
        targets_of=targets_of,
        multilabel=True,
        pipeline=steps,
        rate=250.0,
        input_shape=(2500, 12),
        data_sha256=sha256_json({record: sha256_file(reader.paths[record][1]) for record in names}),
    )


def _stratified(
    task: str,
    source: str,
    reader: chapman.Chapman | cpsc2018.Cpsc2018 | cinc2020.Cinc2020,
    classes: tuple[str, ...],
    targets_of: Targets,
    multilabel: bool,
    shares: tuple[float, float, float],
) -> RecordTask:
    """A task on 500-Hz twelve-lead records, split by class; records of no class are left out."""
    statements = {name: reader.statements(name) for name in _some(reader.names(), reader.folder)}
    numbers = {name: list(targets_of(codes)) for name, codes in statements.items()}
    numbers = {name: found for name, found in numbers.items() if found and (multilabel or len(found) == 1)}
    names = _some(tuple(numbers), reader.folder)
    labels = np.zeros((len(names), len(classes)), np.uint8)
    for row, name in enumerate(names):
        labels[row, numbers[name]] = 1
    patients = {
        name: reader.patient(name) if isinstance(reader, cinc2020.Cinc2020) else f"{task}-{name}" for name in names
    }
    part = _dealt(labels, names, patients, shares)
    percent = "/".join(f"{100 * share:.0f}" for share in shares)
    return RecordTask(
        name=task,
        source=f"{source} ({len(names):,} records)",
        reader=reader,
        split=Split(f"{task} stratified {percent}", *part, patients),
        classes=classes,
        targets_of=targets_of,
        multilabel=multilabel,
        pipeline=_twelve_leads_500(),
        rate=500.0,
        input_shape=(5120, 12),
        data_sha256=sha256_json({name: [reader.file_sha256(name), list(statements[name])] for name in names}),
    )


def _dealt(
    labels: np.ndarray, names: tuple[str, ...], patients: dict[str, str], shares: tuple[float, float, float]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    part = stratify.stratify(labels, [patients[name] for name in names], shares, SEED)
    train, validation, test = (tuple(np.array(names)[part == i].tolist()) for i in range(3))
    return train, validation, test


def _some(names: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    if not names:
        raise DataError(f"{folder}: no record of this data set that can be used", "copy its records there")
    return names


def _holds(data: Path | str | None, folder: str) -> bool:
    """Whether to look for this layout at all: with an explicit path only where it is."""
    if data is None:
        return True
    return (Path(data) / folder).is_dir() or Path(data).name == folder
