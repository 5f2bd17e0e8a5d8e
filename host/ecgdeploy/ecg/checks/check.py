"""The check of one folder: find its data sets, verify sums, read every record, compare counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecgdeploy.ecg.aami import is_beat
from ecgdeploy.ecg.checks import particular
from ecgdeploy.ecg.checks.report import Fault, Oddity, SetReport
from ecgdeploy.ecg.checks.sums import MANIFEST, SUMS, SumsResult, parse_sums, verify
from ecgdeploy.ecg.datasets import Dataset, found_in
from ecgdeploy.ecg.record import Record
from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_file

Progress = Callable[[str, int, int], None]
# published numbers of beats
BEATS = {"mitdb": 109_494}
_SIGNAL_SUFFIXES = (".dat", ".mat", ".h5")
_RECORD_SUFFIXES = (".hea", ".atr", *_SIGNAL_SUFFIXES)


@dataclass
class _Findings:
    faults: list[Fault] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def check_folder(folder: Path, progress: Progress = lambda *_: None) -> list[SetReport]:
    """Check every data set in `folder` (or `folder` itself).

    Parameters
    ----------
    folder : Path
    progress : callable
        Called with (stage, done, total).

    Raises
    ------
    DataError
        No known data set is here. Damaged files are not raised but reported.
    """
    sets = found_in(folder)
    manifest = _manifest(folder, progress)
    return [_check(entry, place, folder, manifest, progress) for entry, place in sets]


def _manifest(folder: Path, progress: Progress) -> SumsResult | None:
    """The manifest of the whole folder; it names every file, so that an absent one is a fault."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    sums, faults = parse_sums(path)
    result = verify(folder, sums, lambda done, total: progress(MANIFEST, done, total))
    missing = tuple(Fault(name, f"named in {MANIFEST}, missing") for name in result.absent)
    return SumsResult(result.hashes, (), (*faults, *result.faults, *missing))


def _check(
    entry: Dataset, place: Path, root: Path, manifest: SumsResult | None, progress: Progress
) -> SetReport:
    found = _Findings()
    inside = "" if place == root else f"{place.relative_to(root).as_posix()}/"
    hashes: dict[str, str] = {}
    if manifest is not None:
        mine = {name: value for name, value in manifest.hashes.items() if name.startswith(inside)}
        hashes |= {name.removeprefix(inside): value for name, value in mine.items()}
        found.faults += [
            Fault(fault.file.removeprefix(inside), fault.text)
            for fault in manifest.faults
            if fault.file.startswith(inside) or fault.file == MANIFEST
        ]
    _sums(entry, place, hashes, found, progress)
    names = _open(entry, place, found)
    sound = 0
    if names is not None:
        source, listed = names
        sound = _records(entry, source, listed, place, found, progress)
        particular.inspect(entry.key, source, found.oddities, found.faults)
        if len(listed) < entry.records:
            part = f"part of the data set: {len(listed):,} of {entry.records:,} published records"
            found.oddities.insert(0, Oddity(part))
        elif sound == entry.records and entry.key in BEATS and found.counts.get("beats") != BEATS[entry.key]:
            text = f"{found.counts.get('beats', 0):,} beats, {BEATS[entry.key]:,} were published"
            found.faults.append(Fault("*.atr", text))
    _orphans(entry, place, found)
    _duplicates(place, hashes, found)
    if hashes:
        found.counts["files with a verified SHA-256 sum"] = len(hashes) - sum(
            "SHA-256" in fault.text for fault in found.faults
        )
    return SetReport(
        key=entry.key,
        title=entry.title,
        folder=str(place),
        records=sound,
        published=entry.records,
        counts=found.counts,
        faults=_merged(found.faults),
        oddities=tuple(found.oddities),
    )


def _sums(entry: Dataset, place: Path, hashes: dict[str, str], found: _Findings, progress: Progress) -> None:
    """PhysioNet's own sums; they also name files that nobody needs (``.xws``), whose absence is no fault."""
    path = place / SUMS
    if not path.is_file():
        return
    sums, faults = parse_sums(path)
    result = verify(place, sums, lambda done, total: progress(f"{entry.key} {SUMS}", done, total))
    hashes |= result.hashes
    known = {(fault.file, fault.text) for fault in found.faults}
    found.faults += [fault for fault in (*faults, *result.faults) if (fault.file, fault.text) not in known]
    listed = _listed(place)
    needed = [name for name in result.absent if Path(name).suffix in _RECORD_SUFFIXES and Path(name).stem in listed]
    needed = [name for name in needed if "/" not in name]
    found.faults += [Fault(name, f"named in {SUMS}, missing") for name in needed]
    spare = [name for name in result.absent if name not in needed]
    if spare:
        found.oddities.append(Oddity(f"{len(spare)} files that {SUMS} names are not here; no reader needs them"))


def _listed(place: Path) -> set[str]:
    path = place / "RECORDS"
    return set(path.read_text(errors="replace").split()) if path.is_file() else set()


def _open(entry: Dataset, place: Path, found: _Findings) -> tuple[Any, tuple[str, ...]] | None:
    """The source and its record names; a damaged table makes the whole set unreadable."""
    try:
        source = entry.open(place)
        return source, source.names()
    except DataError as error:
        found.faults.append(Fault(_file_of(error, place), error.message))
        return None


def _records(
    entry: Dataset, source: Any, names: tuple[str, ...], place: Path, found: _Findings, progress: Progress
) -> int:
    """Read every record; count the sound ones."""
    sound = beats = annotations = 0
    remarks: dict[str, list[str]] = defaultdict(list)
    leads: dict[str, list[str]] = defaultdict(list)
    rates: Counter[float] = Counter()
    shortest, longest = float("inf"), 0.0
    for done, name in enumerate(names, 1):
        try:
            record: Record = source.record(name)
        except DataError as error:
            found.faults.append(Fault(_file_of(error, place, name), error.message))
            continue
        finally:
            progress(f"{entry.key} records", done, len(names))
        sound += 1
        if record.annotations is not None:
            annotations += len(record.annotations)
            beats += sum(map(is_beat, record.annotations.symbols))
        rates[record.rate] += 1
        shortest, longest = min(shortest, record.seconds), max(longest, record.seconds)
        for remark in record.remarks:
            remarks[remark.partition(":")[0]].append(name)
        by_kind: dict[str, list[str]] = defaultdict(list)
        for fault in record.faults():
            by_kind[fault.kind].append(fault.lead)
        for kind, which in by_kind.items():
            leads[kind].append(f"{name} {' '.join(which)}")
    if annotations:
        found.counts |= {"beats": beats, "annotations": annotations}
    for text, which in remarks.items():
        everyone = len(which) == sound
        found.oddities.append(Oddity(f"{text} ({'all' if everyone else len(which)})", () if everyone else tuple(which)))
    for kind, which in leads.items():
        found.oddities.append(Oddity(f"{kind} leads in {len(which)} records", tuple(which)))
    if len(rates) > 1:
        rare = ", ".join(f"{count} at {rate:g} Hz" for rate, count in rates.most_common())
        found.oddities.append(Oddity(f"several sampling rates: {rare}"))
    if sound and longest > shortest:
        found.oddities.append(Oddity(f"lengths from {shortest:.1f} to {longest:.1f} s"))
    return sound


def _orphans(entry: Dataset, place: Path, found: _Findings) -> None:
    """Signal files without a header, and headers that no table knows."""
    if entry.key in ("cpsc2018", "sph"):
        return
    for suffix in (".dat", ".mat"):
        for path in sorted(place.rglob(f"*{suffix}")):
            if not path.with_suffix(".hea").is_file() and not _named_by_a_header(path):
                found.faults.append(Fault(path.relative_to(place).as_posix(), "a signal file without its header"))
    listed = _listed(place)
    for name in sorted(listed):
        if entry.key == "mitdb" and not any((place / f"{name}{suffix}").is_file() for suffix in (".hea", ".dat")):
            if not any(fault.file.startswith(f"{name}.") for fault in found.faults):
                found.faults.append(Fault(f"{name}.hea", "named in RECORDS, missing"))


def _named_by_a_header(path: Path) -> bool:
    """Whether a header of another name has this file: Ningbo's ``S23074.hea`` has ``JS23074.mat``."""
    wanted = path.name.encode()
    return any(wanted in header.read_bytes() for header in path.parent.glob("*.hea"))


def _duplicates(place: Path, hashes: dict[str, str], found: _Findings) -> None:
    """Signal files with equal bytes: one recording under two names."""
    sizes: dict[int, list[Path]] = defaultdict(list)
    for path in sorted(place.rglob("*")):
        if path.suffix in _SIGNAL_SUFFIXES and path.is_file():
            sizes[path.stat().st_size].append(path)
    same: dict[str, list[str]] = defaultdict(list)
    for paths in sizes.values():
        for path in paths if len(paths) > 1 else ():
            name = path.relative_to(place).as_posix()
            same[hashes.get(name) or sha256_file(path)].append(name)
    pairs = tuple(" = ".join(names) for names in same.values() if len(names) > 1)
    if pairs:
        found.oddities.append(Oddity(f"{len(pairs)} groups of byte-identical signal files", pairs))


def _file_of(error: DataError, place: Path, name: str = "") -> str:
    """The file that a message begins with, as a path below `place` where it is there."""
    head = error.message.split(":")[0].split(" ")[0]
    candidate = Path(head).name
    if not Path(candidate).suffix:
        return name or candidate
    hits = sorted(place.rglob(candidate)) if name else [place / candidate]
    return hits[0].relative_to(place).as_posix() if hits and hits[0].exists() else candidate


def _merged(faults: list[Fault]) -> tuple[Fault, ...]:
    """One line a file and text, in the order of the files."""
    return tuple(dict.fromkeys(sorted(faults, key=lambda fault: fault.file)))
