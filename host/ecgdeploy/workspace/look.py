"""What recordings say of themselves, for the first project file: leads, rate, unit, annotator, labels, classes."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecgdeploy.errors import DataError

#: names that a column has where it is no lead, in small letters and without its unit
TIMES = frozenset(("", "#", "t", "time", "timestamp", "seconds", "elapsed time", "sample", "samples", "index"))
RECORDS = ("record", "recording", "name", "file", "filename", "id", "rec", "record_id", "ecg_id")
LABELS = ("label", "labels", "class", "rhythm", "diagnosis", "diag", "dx", "target", "y", "annotation", "symbol",
          "beat", "type", "code", "codes")  # fmt: skip
SAMPLES = ("sample", "samples", "position", "peak", "r_peak", "rpeak", "location")
PERSONS = ("patient", "patient_id", "subject", "subject_id", "person", "participant")
UNITS = {"mv": "mV", "uv": "uV", "\u00b5v": "uV", "\u03bcv": "uV", "v": "V"}
MOST_CLASSES = 30
_ROWS = 100_000
#: no ECG is larger, in mV: such samples are in microvolts
_MOST_MILLIVOLTS = 20.0


@dataclass(frozen=True)
class Labels:
    """A label table's file, its columns, and what stands in its column of labels."""

    file: str
    record: str = "record"
    label: str = "label"
    sample: str | None = None
    patient: str | None = None
    found: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What could be found out; None and () where nothing says it.

    Attributes
    ----------
    leads : of every recording, in the first one's order; `columns` are their columns in a CSV file.
    symbols : of the beats annotated by `annotator`, the most frequent first.
    keys : of a table of windows: its columns of record and label.
    largest : absolute value of the first samples, for sources that do not say their unit.
    """

    leads: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rate: float | None = None
    samples: int | None = None
    unit: str | None = None
    synthetic: bool = False
    annotator: str | None = None
    symbols: tuple[str, ...] = ()
    labels: Labels | None = None
    classes: tuple[str, ...] = ()
    table: str | None = None
    keys: dict[str, str] = field(default_factory=dict)
    largest: float = 0.0

    @property
    def likely_unit(self) -> str:
        """As a column's name says, else by the size of the first samples."""
        return self.unit or ("uV" if self.largest > _MOST_MILLIVOLTS else "mV")


def look(source: str, data: Path, beside: Path) -> Found:
    """Look at the recordings in folder `data`; a label table may also lie `beside` it.

    Raises
    ------
    DataError
        There is no recording of that source, or the first one cannot be read.
    """
    if not data.is_dir():
        return Found()
    if source == "python":
        return _python(data, beside / "adapter.py")
    if source == "wfdb":
        return _wfdb(data, beside)
    if source == "csv":
        return _csv(data, beside)
    return _rows(data) if source == "csv-rows" else _numpy(data)


def _wfdb(data: Path, beside: Path) -> Found:
    from ecgdeploy.ecg.aami import is_beat
    from ecgdeploy.ecg.record import canonical_lead
    from ecgdeploy.ecg.wfdb_annotation import read_annotations
    from ecgdeploy.ecg.wfdb_header import read_header

    headers = sorted(data.rglob("*.hea"))
    if not headers:
        raise DataError(f"{data}: no WFDB headers (*.hea)", "give another --data, or --source")
    first = read_header(headers[0])
    every = [[canonical_lead(line.lead) for line in read_header(path).signals] for path in headers]
    leads = [lead for lead in every[0] if all(lead in others for others in every)] or every[0]
    taken = {line.file for path in headers for line in read_header(path).signals}
    endings: Counter[str] = Counter()
    symbols: Counter[str] = Counter()
    for path in headers:
        for other in path.parent.glob(f"{path.stem}.*"):
            if re.fullmatch(r"\.[a-z]{3,5}", other.suffix) and other.suffix != ".hea" and other.name not in taken:
                endings[other.suffix[1:]] += 1
    every_has = {name for name, count in endings.items() if count == len(headers)} - {"csv", "mat", "dat"}
    annotator = next((name for name in ("atr", *sorted(every_has)) if name in every_has), None)
    for path in headers[:20] if annotator else ():
        try:
            found = read_annotations(path.with_suffix(f".{annotator}")).symbols
        except DataError:
            annotator = None  # another kind of file; or a damaged one, which training names
            break
        symbols.update(symbol for symbol in found if is_beat(symbol))
    names = [path.relative_to(data).with_suffix("").as_posix() for path in headers]
    table = _label_table(names, [*sorted(data.glob("*.csv")), *sorted(beside.glob("*.csv"))])
    return Found(
        leads=tuple(leads), rate=first.rate, samples=first.samples or None, annotator=annotator, labels=table,
        symbols=tuple(symbol for symbol, _ in symbols.most_common()),
        synthetic=any("synthetic" in comment.lower() for comment in first.comments),
    )  # fmt: skip


def _csv(data: Path, beside: Path) -> Found:
    files = sorted(data.rglob("*.csv"))
    if not files:
        raise DataError(f"{data}: no CSV files", "give another --data, or --source")
    names = {path: path.relative_to(data).with_suffix("").as_posix() for path in files}
    labels = None
    for path in [path for path in files if path.parent == data] + sorted(beside.glob("*.csv")):
        labels = labels or _label_table([name for other, name in names.items() if other != path], [path])
    recordings = [path for path in files if path.name not in ("labels.csv", labels.file if labels else "")]
    if not recordings:
        raise DataError(f"{data}: no recordings beside labels.csv", "one CSV file a record, a column a lead")
    columns, rows = _table(recordings[0])
    found = {raw: _lead_and_unit(raw) for raw in columns}
    kept = [raw for place, raw in enumerate(columns)
            if _bare(raw) not in TIMES and all(_number(row[place]) for row in rows[:50] if len(row) > place)]
    units = {found[raw][1] for raw in kept}
    bare = [raw for raw in kept if found[raw][0] == raw]
    return Found(
        leads=tuple(found[raw][0] for raw in kept),
        columns=tuple(kept) if len(kept) < len(columns) or len(bare) < len(kept) else (),
        rate=_rate(columns, rows), samples=len(rows) or None, labels=labels,
        unit=units.pop() if len(units) == 1 else None, largest=_largest(rows, [columns.index(raw) for raw in kept]),
    )  # fmt: skip


def _rows(data: Path) -> Found:
    files = sorted(data.rglob("*.csv"))
    if not files:
        raise DataError(f"{data}: no CSV files", "give another --data, or --source")
    columns, rows = _table(files[0])
    keys = {key: name for key, known in (("record", (*RECORDS, *PERSONS)), ("label", LABELS))
            if (name := _named(columns, known))}  # fmt: skip
    place = columns.index(keys["label"]) if "label" in keys else None
    found = sorted({row[place].strip() for row in rows if len(row) > place}) if place is not None else []
    return Found(
        table=files[0].relative_to(data).as_posix(), keys=keys, samples=len(columns) - 2,
        largest=_largest(rows, [place for place, name in enumerate(columns) if name not in keys.values()]),
        classes=_order(found) if len(found) <= MOST_CLASSES else (),
    )  # fmt: skip


def _numpy(data: Path) -> Found:
    import numpy as np

    from ecgdeploy.ecg.own.arrays import label_text

    files = sorted(data.glob("*.npz"))
    if not files:
        return Found()
    try:
        with np.load(files[0], allow_pickle=False) as arrays:
            x = arrays["x"] if "x" in arrays.files else np.zeros(0)
            y = arrays["y"] if "y" in arrays.files else np.zeros((0, 0))
            labels = sorted({label_text(value) for value in y.tolist()}) if y.ndim == 1 else []
            shape = tuple(x.shape)
            numbers = np.issubdtype(x.dtype, np.number) and not np.iscomplexobj(x)
            largest = float(np.nanmax(np.abs(x[:100].astype(np.float64)), initial=0.0)) if numbers else 0.0
    except (ValueError, OSError, IndexError) as error:
        text = " ".join(str(error).split())[:80]
        raise DataError(f"{files[0].name}: not a NumPy file: {text}", "numpy.savez") from None
    return Found(
        table=files[0].name, samples=int(shape[1]) if len(shape) > 1 else None, largest=largest,
        classes=_order(labels) if len(labels) <= MOST_CLASSES else (),
    )  # fmt: skip


def _python(data: Path, adapter: Path) -> Found:
    """What a person's own adapter gives, where it is written already."""
    from ecgdeploy.ecg.own.python_file import read_python
    from ecgdeploy.ecg.own.schema import DataPart, TaskPart
    from ecgdeploy.errors import EcgDeployError

    if not adapter.is_file():
        return Found()
    task = TaskPart(kind="records", classes=("any",), multilabel=True, leads=("II",), rate=1.0, samples=1)  # type: ignore[call-arg]
    try:
        given = read_python(DataPart(source="python"), task, data, adapter)  # type: ignore[call-arg]
    except EcgDeployError:
        return Found()  # training says what is wrong with it
    first, *others = given.by_name.values()
    beats = Counter(s for r in given.by_name.values() if r.annotations for s in r.annotations.symbols)
    labels = {label for record in given.by_name.values() for label in record.statements}
    return Found(
        leads=tuple(lead for lead in first.leads if all(lead in other.leads for other in others)), rate=first.rate,
        samples=first.samples, synthetic=given.synthetic, symbols=tuple(symbol for symbol, _ in beats.most_common()),
        classes=_order(labels) if len(labels) <= MOST_CLASSES else (),
    )  # fmt: skip


def _label_table(names: Sequence[str], files: Sequence[Path]) -> Labels | None:
    """The first of `files` with a column that names most of the records."""
    from ecgdeploy.ecg.own.adapters import match

    places = match(names)
    for file in files:
        try:
            columns, rows = _table(file)
        except DataError:
            continue
        known: dict[str, set[str]] = {}
        for place, column in enumerate(columns):
            cells = {row[place].strip() for row in rows if len(row) > place}
            hits = (places.get(cell) or places.get(cell.removesuffix(".csv").removesuffix(".hea")) for cell in cells)
            known[column] = {hit for hit in hits if hit}
        if not known:
            continue
        record = max(known, key=lambda column: len(known[column]))
        if 2 * len(known[record]) < len(names):
            continue
        rest = [column for column in columns if column != record]
        sample, patient = _named(rest, SAMPLES), _named(rest, PERSONS)
        label = _named([c for c in rest if c not in (sample, patient)], LABELS)
        found = {row[columns.index(label)].strip() for row in rows if len(row) > columns.index(label)} if label else ()
        return Labels(
            file.name, record, label or "label", sample, patient,
            _order(found) if len(found) <= MOST_CLASSES else (),
        )  # fmt: skip
    return None


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a CSV file's beginning."""
    from ecgdeploy.ecg.own.labels import delimiter

    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle, delimiter=delimiter(handle))
            columns = [name.strip() for name in next(reader, [])]
            return columns, [row for _, row in zip(range(_ROWS), reader, strict=False) if row]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        text = " ".join(str(error).split())[:80]
        raise DataError(f"{path.name}: not a table: {text}", "save it as CSV, UTF-8") from None


def _named(columns: Sequence[str], known: Sequence[str]) -> str | None:
    """The column with one of these names, the first of them where there are several."""
    small = {column.strip().lower().replace(" ", "_"): column for column in reversed(columns)}
    return next((small[name] for name in known if name in small), None)


def _lead_and_unit(column: str) -> tuple[str, str | None]:
    """``I [uV]``, ``I (uV)`` and ``I_uV`` as ("I", "uV"); another bracket is left off too."""
    bracket = re.fullmatch(r"(.*?)\s*[\[(]([^\])]*)[\])]", column)
    name, unit = bracket.groups() if bracket else (column, "")
    tail = re.fullmatch(r"(.+)[_ ]([\u00b5\u03bcum]?V)", column, re.IGNORECASE)
    if tail and not bracket:
        name, unit = tail.groups()
    return name.strip(), UNITS.get(unit.strip().lower())


def _bare(column: str) -> str:
    """Its name in small letters, without a unit of time either: ``t_ms`` is "t"."""
    return re.sub(r"_(?:m?s|sec|seconds)$", "", _lead_and_unit(column)[0].lower())


def _rate(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> float | None:
    """Samples a second, of a column of time in seconds or milliseconds."""
    for place, raw in enumerate(columns):
        if _bare(raw) not in ("t", "time", "timestamp", "seconds", "elapsed time"):
            continue
        cells = [row[place] for row in rows[:5000] if len(row) > place]
        if len(cells) < 2 or not all(cell.strip() and _number(cell) for cell in cells):
            return None
        step = (float(cells[-1]) - float(cells[0])) / (len(cells) - 1)
        step /= 1000.0 if re.search(r"[\[(_ ]ms[\])]?$", raw.lower()) else 1.0
        if step <= 0:
            return None
        rate = 1.0 / step
        whole = float(round(rate))
        return whole if abs(rate - whole) < 0.005 * rate and 20 <= whole <= 20_000 else None
    return None


def _largest(rows: Sequence[Sequence[str]], places: Sequence[int]) -> float:
    """Largest absolute value in these places of the first rows."""
    cells = [row[place] for row in rows[:2000] for place in places if len(row) > place]
    return max((abs(float(cell)) for cell in cells if cell.strip() and _number(cell)), default=0.0)


def _number(cell: str) -> bool:
    try:
        return not cell.strip() or float(cell) is not None
    except ValueError:
        return False


def _order(found: Sequence[str] | set[str]) -> tuple[str, ...]:
    """Labels in the order of classes: numbers by value, N, S, V, F, Q first of beats, else by the alphabet."""
    beats = "NSVFQ"

    def key(label: str) -> tuple[int, float, str]:
        if label.lstrip("-").isdigit():
            return 0, float(label), ""
        return (1, beats.index(label), "") if len(label) == 1 and label in beats else (2, 0.0, label)

    return tuple(sorted((label for label in found if label), key=key))
