"""What is worth saying about particular data sets: the oddities of their published files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from ecgdeploy.ecg import aami
from ecgdeploy.ecg.checks.report import Fault, Oddity
from ecgdeploy.ecg.sources import chapman, cinc2017, cinc2020
from ecgdeploy.ecg.wfdb_header import read_header
from ecgdeploy.errors import DataError


def inspect(key: str, source: Any, oddities: list[Oddity], faults: list[Fault]) -> None:
    """Add the oddities (and contradictions) of a data set that only its own tables and headers show."""
    inspector = {
        "mitdb": _mitdb,
        "ptb-xl": _ptbxl,
        "cinc2017": _cinc2017,
        "cinc2021": _cinc2021,
        "chapman": _chapman,
    }.get(key)
    if inspector is not None:
        inspector(source, oddities, faults)


def _mitdb(source: Any, oddities: list[Oddity], faults: list[Fault]) -> None:  # noqa: ARG001
    names = source.names()
    swapped, without = [], []
    for name in names:
        try:
            leads = [line.lead for line in read_header(source.folder / f"{name}.hea").signals]
        except DataError:
            continue  # already a fault
        if "MLII" not in leads:
            without.append(f"{name} {'/'.join(leads)}")
        elif leads[0] != "MLII":
            swapped.append(f"{name} {'/'.join(leads)}")
    if swapped:
        oddities.append(Oddity("MLII is not the first lead (read by name)", tuple(swapped)))
    if without:
        oddities.append(Oddity("no lead MLII", tuple(without)))
    paced = tuple(name for name in aami.PACED_RECORDS if name in names)
    if paced:
        oddities.append(Oddity("paced records, excluded from the splits", paced))
    if {"201", "202"} <= set(names):
        oddities.append(Oddity("two records of one person, in both halves of DS1/DS2 as published", ("201", "202")))


def _ptbxl(source: Any, oddities: list[Oddity], faults: list[Fault]) -> None:
    from ecgdeploy.ecg.sources.ptbxl import HIDDEN_AGE, TABLE
    from ecgdeploy.ecg.sources.tables import read_table

    table = read_table(source.folder / TABLE, ("ecg_id", "filename_lr", "filename_hr"))
    version = {21_837: "1.0.1 or 1.0.2", 21_799: "1.0.3"}.get(len(table), "unknown")
    rest = "rows without a waveform are not used"
    oddities.append(Oddity(f"{TABLE} has {len(table):,} rows (version {version}); {rest}"))
    rows = source.rows
    places: dict[str, set[int]] = defaultdict(set)
    for row in rows.values():
        places[row.patient].add(row.fold)
    for patient, folds in places.items():
        if len(folds) > 1:
            faults.append(Fault(TABLE, f"patient {patient} is in the folds {sorted(folds)}"))
    sizes = [sum(row.fold in part for row in rows.values()) for part in (range(1, 9), (9,), (10,))]
    oddities.append(Oddity("folds 1-8 / 9 / 10: " + " / ".join(f"{size:,}" for size in sizes)))
    hidden = sum(row.age == HIDDEN_AGE for row in rows.values())
    if hidden:
        oddities.append(Oddity(f"{hidden} ages above 89 years are stored as 300"))
    superless = sum(not source.superclasses(row.codes) for row in rows.values())
    if superless:
        oddities.append(Oddity(f"{superless} records have no diagnostic superclass"))
    known = {row["filename_lr"] for row in table} | {row["filename_hr"] for row in table}
    for rate in (100, 500):
        for path in sorted((source.folder / f"records{rate}").glob("*/*.hea")):
            relative = path.relative_to(source.folder).with_suffix("").as_posix()
            if relative not in known:
                faults.append(Fault(f"{relative}.hea", f"{TABLE} has no row for it"))


def _cinc2017(source: Any, oddities: list[Oddity], faults: list[Fault]) -> None:
    here = set(source.paths)
    for name in sorted(here - set(source.labels)):
        faults.append(Fault(f"{name}.hea", f"{cinc2017.LABELS} has no label for it"))
    counts = Counter(source.labels[name] for name in source.names())
    oddities.append(Oddity("labels (v3): " + ", ".join(f"{label} {counts[label]:,}" for label in cinc2017.CLASSES)))
    pairs = tuple(f"{a} = {b}" for a, b in cinc2017.DUPLICATES.items() if a in here and b in here)
    if pairs:
        oddities.append(Oddity("byte-identical pairs, kept in one part of every split", pairs))


def _chapman(source: Any, oddities: list[Oddity], faults: list[Fault]) -> None:  # noqa: ARG001
    here = tuple(name for name in chapman.DAMAGED if any(source.folder.rglob(f"{name}.hea")))
    if here:
        oddities.append(Oddity("records whose published header is damaged, left out", here))


def _cinc2021(source: Any, oddities: list[Oddity], faults: list[Fault]) -> None:  # noqa: ARG001
    subsets = Counter(subset for subset, _ in source.paths.values())
    oddities.append(Oddity("sources: " + ", ".join(f"{cinc2020.SUBSETS[s]} {n:,}" for s, n in subsets.items())))
    spellings: Counter[str] = Counter()
    for _, path in source.paths.values():
        spellings.update(_spellings(path))
    usual = {"units mV", "comment '#Dx:'", "format 16+24", "gain 1000/mV"}
    for text in sorted(set(spellings) - usual):
        oddities.append(Oddity(f"{text} in {spellings[text]} headers"))


def _spellings(path: Path) -> set[str]:
    """How a Challenge header writes what others write otherwise."""
    text = path.read_text(encoding="latin-1")
    found = {f"units {units}" for units in re.findall(r"/(m[vV])\b", text)}
    found |= {f"format {layout}" for layout in re.findall(r"\.mat (\S+) ", text)}
    found |= {f"gain {gain}/mV" for gain in re.findall(r"\.mat \S+ (\S+?)/m[vV]", text)}
    found |= {f"comment '{comment}'" for comment in re.findall(r"^(#\s*Dx:)", text, re.MULTILINE)}
    if not re.match(r"\S+ \d+ \d+ \d+ \S", text):
        found.add("no recording date")
    return found
