"""A device's answers as an annotation file, so that EC57, and anyone's own tools, can score them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.ecg import wfdb_annotation
from ecgdeploy.ecg.record import Annotations
from ecgdeploy.ecg.wfdb_annotation import SYMBOLS
from ecgdeploy.errors import DataError
from ecgdeploy.scoring.ec57.annotations import Annotation, code_of

MNEMONIC = {"N": "N", "S": "S", "V": "V", "F": "F", "Q": "Q", "SVEB": "S", "VEB": "V"}
"""Class of a beat model -> the annotation that says so; any WFDB mnemonic also stands for itself."""


def device_annotations(
    positions: Any, labels: Any, classes: Sequence[str], mnemonics: dict[str, str] | None = None
) -> list[Annotation]:
    """Turn a beat model's answers into annotations.

    Parameters
    ----------
    positions : int array [n]
        Sample of each beat in the record.
    labels : int array [n]
        Predicted class, as an index into `classes`.
    classes : sequence of str
        Class names.
    mnemonics : dict, optional
        Class name -> WFDB mnemonic, where the class name is none itself.

    Returns
    -------
    list of Annotation
        In time order. Of beats at the same sample the first is kept: an annotation file has one a sample.

    Raises
    ------
    DataError
        When the arrays differ in length, a position is negative, or a class has no mnemonic.
    """
    samples, indices = np.asarray(positions, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    if samples.shape != indices.shape or samples.ndim != 1:
        raise DataError(f"{samples.shape} positions for {indices.shape} labels", "give one position a label")
    if samples.size and samples.min() < 0:
        raise DataError("a beat without a position cannot be annotated", "score windows cut around beats of a record")
    if indices.size and not (0 <= indices.min() and indices.max() < len(classes)):
        raise DataError(f"a label outside the {len(classes)} classes", "check the class list")
    table = {**MNEMONIC, **(mnemonics or {})}
    codes = [code_of(table.get(name, name)) for name in classes]
    first: dict[int, int] = {}
    for sample, index in zip(samples.tolist(), indices.tolist(), strict=True):
        first.setdefault(sample, codes[index])
    return [Annotation(sample, first[sample]) for sample in sorted(first)]


def write_annotations(folder: Path, record: str, annotator: str, annotations: Sequence[Annotation]) -> Path:
    """Write `record`.`annotator` in `folder`.

    Parameters
    ----------
    folder : Path
        Created when missing.
    record, annotator : str
        Name of the record and of the annotator (letters only, as WFDB asks).
    annotations : sequence of Annotation
        In time order, at least one.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        When there is nothing to write, or the annotator's name is not WFDB's.
    """
    if not annotations:
        raise DataError(f"no annotations to write for record {record}", "score at least one beat")
    if not annotator.isalpha():
        raise DataError(f"'{annotator}' is no annotator name", "use letters only")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record}.{annotator}"
    marks = Annotations.at([a.sample for a in annotations], [SYMBOLS[a.code] for a in annotations])
    subtypes = np.array([a.subtype for a in annotations], np.int8)
    wfdb_annotation.write_annotations(path, replace(marks, subtypes=subtypes))
    return path
