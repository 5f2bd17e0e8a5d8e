"""The data sets we know: one row each, with where they come from and what was published about them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgdeploy.ecg import locate
from ecgdeploy.errors import DataError, unknown


@dataclass(frozen=True)
class Dataset:
    """A public data set.

    Attributes
    ----------
    key : str
        Its name on the command line.
    title, version, licence, doi, citation : str
    module, reader : str
        Its source module under ``ecgdeploy.ecg.sources`` and the class in it.
    folder : str
        Its folder under ``$ECGDEPLOY_DATA``.
    marks : tuple of str
        Glob patterns; a folder that has one of them is this data set.
    records : int
        How many records were published.
    signals : str
        Rate, leads and length, in words.
    physionet : str
        Its path on PhysioNet, empty where it is not published there.
    needed : tuple of str
        Patterns of the files that the reader uses, where that is not all of them: what `fetch` takes by default.
    """

    key: str
    title: str
    version: str
    licence: str
    doi: str
    citation: str
    module: str
    reader: str
    folder: str
    marks: tuple[str, ...]
    records: int
    signals: str
    physionet: str = ""
    needed: tuple[str, ...] = ()

    def open(self, folder: Path) -> Any:
        """The source (`names()` and `record(name)`) on this data set in `folder`."""
        return getattr(importlib.import_module(f"ecgdeploy.ecg.sources.{self.module}"), self.reader)(folder)

    def is_in(self, folder: Path) -> bool:
        """Whether `folder` itself is this data set."""
        return folder.is_dir() and any(any(folder.glob(mark)) for mark in self.marks)


DATASETS = {
    entry.key: entry
    for entry in (
        Dataset(
            key="mitdb",
            title="MIT-BIH Arrhythmia Database",
            version="1.0.0",
            licence="ODC-By 1.0",
            doi="10.13026/C2F305",
            citation="Moody GB, Mark RG. IEEE Eng Med Biol 20(3):45-50 (2001)",
            module="mitbih",
            reader="MitBih",
            folder="mitdb",
            marks=("[12][0-3][0-9].hea",),
            records=48,
            signals="360 Hz, 2 leads, 30 min, beats annotated",
            physionet="mitdb/1.0.0",
            needed=("[12]??.hea", "[12]??.dat", "[12]??.atr", "RECORDS", "ANNOTATORS"),
        ),
        Dataset(
            key="ptb-xl",
            title="PTB-XL",
            version="1.0.3",
            licence="CC BY 4.0",
            doi="10.13026/kfzx-aw45",
            citation="Wagner P, Strodthoff N, Bousseljot R-D, et al. Scientific Data 7:154 (2020)",
            module="ptbxl",
            reader="PtbXl",
            folder="ptb-xl",
            marks=("ptbxl_database.csv",),
            records=21_799,
            signals="100 and 500 Hz, 12 leads, 10 s",
            physionet="ptb-xl/1.0.3",
        ),
        Dataset(
            key="cinc2017",
            title="PhysioNet/CinC Challenge 2017, training set",
            version="1.0.0",
            licence="ODC-By 1.0",
            doi="10.13026/d3hm-sf11",
            citation="Clifford GD, Liu C, Moody B, et al. Computing in Cardiology 44 (2017)",
            module="cinc2017",
            reader="Cinc2017",
            folder="cinc2017",
            marks=("training2017", "training/A00", "REFERENCE-v3.csv"),
            records=8_528,
            signals="300 Hz, 1 lead, 9-61 s",
            physionet="challenge-2017/1.0.0",
            needed=("training/A??/A*", "REFERENCE-v3.csv"),
        ),
        Dataset(
            key="cinc2021",
            title="PhysioNet/CinC Challenge 2020/2021, training sets",
            version="1.0.3",
            licence="CC BY 4.0",
            doi="10.13026/34va-7q14",
            citation="Reyna MA, Sadr N, Perez Alday EA, et al. Computing in Cardiology 48 (2021)",
            module="cinc2020",
            reader="Cinc2020",
            folder="cinc2021",
            marks=("training/*/*.hea", "training/*/*/*.hea", "georgia/*.hea", "cpsc_2018/*.hea"),
            records=88_253,
            signals="500 Hz (PTB 1000, INCART 257), 12 leads, 5 s to 30 min",
            physionet="challenge-2021/1.0.3",
        ),
        Dataset(
            key="cpsc2018",
            title="CPSC 2018, training set (MATLAB files)",
            version="1",
            licence="free for research",
            doi="10.1166/jmihi.2018.2442",
            citation="Liu F, Liu C, Zhao L, et al. J Med Imaging Health Inform 8(7):1368-1373 (2018)",
            module="cpsc2018",
            reader="Cpsc2018",
            folder="cpsc2018",
            marks=("REFERENCE.csv", "*/REFERENCE.csv"),
            records=6_877,
            signals="500 Hz, 12 leads, 6-60 s",
        ),
        Dataset(
            key="chapman",
            title="Chapman-Shaoxing",
            version="1",
            licence="CC BY 4.0",
            doi="10.6084/m9.figshare.c.4560497",
            citation="Zheng J, Zhang J, Danioko S, et al. Scientific Data 7:48 (2020)",
            module="chapman",
            reader="Chapman",
            folder="chapman",
            marks=("Diagnostics*", "WFDBRecords"),
            records=10_646,
            signals="500 Hz, 12 leads, 10 s",
            physionet="ecg-arrhythmia/1.0.0",
        ),
        Dataset(
            key="sph",
            title="SPH, Shandong Provincial Hospital",
            version="1",
            licence="CC BY 4.0",
            doi="10.6084/m9.figshare.c.5779802",
            citation="Liu H, Chen D, Chen D, et al. Scientific Data 9:272 (2022)",
            module="sph",
            reader="Sph",
            folder="sph",
            marks=("records/*.h5",),
            records=25_770,
            signals="500 Hz, 12 leads, 10-60 s",
        ),
        Dataset(
            key="icentia11k",
            title="Icentia11k",
            version="1.0",
            licence="CC BY-NC-SA 4.0",
            doi="10.13026/kk0v-r952",
            citation="Tan S, Androz G, Chamseddine A, et al. arXiv:1910.09570 (2019)",
            module="icentia11k",
            reader="Icentia11k",
            folder="icentia11k",
            marks=("p[0-9][0-9]/p*/*.hea", "p[0-9]*_s*.hea"),
            records=541_794,
            signals="250 Hz, 1 lead, 70 min, beats and rhythms annotated",
            physionet="icentia11k-continuous-ecg/1.0",
        ),
    )
}


def dataset(key: str) -> Dataset:
    """A data set by its key.

    Raises
    ------
    UsageError
        Unknown; the nearest known one is named.
    """
    if key not in DATASETS:
        raise unknown("data set", key, DATASETS)
    return DATASETS[key]


def found_in(folder: Path) -> list[tuple[Dataset, Path]]:
    """The data sets that are in `folder`, or that `folder` is.

    Raises
    ------
    DataError
        There is none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "give the folder that holds the data sets")
    found = [(entry, folder / entry.folder) for entry in DATASETS.values() if entry.is_in(folder / entry.folder)]
    found = found or [(entry, folder) for entry in DATASETS.values() if entry.is_in(folder)][:1]
    if not found:
        names = ", ".join(entry.folder for entry in DATASETS.values())
        raise DataError(f"{folder}: none of the known data sets is here", f"it should hold one of {names}, or be one")
    return found


def here(entry: Dataset) -> Path | None:
    """Where a data set is on this machine, None where it is not."""
    return locate.find(entry.folder, entry.marks)
