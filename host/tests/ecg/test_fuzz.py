"""Damaged files: a few thousand of them, and each ends in one clear line or in a record that is what its files say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from ecgdeploy.ecg.record import STANDARD_LEADS, Annotations
from ecgdeploy.ecg.sources.chapman import Chapman
from ecgdeploy.ecg.sources.cinc2017 import Cinc2017
from ecgdeploy.ecg.sources.cinc2020 import Cinc2020
from ecgdeploy.ecg.sources.cpsc2018 import Cpsc2018
from ecgdeploy.ecg.sources.mitbih import MitBih
from ecgdeploy.ecg.sources.ptbxl import PtbXl
from ecgdeploy.ecg.sources.sph import Sph
from ecgdeploy.ecg.wfdb_annotation import SYMBOLS, read_annotations, write_annotations
from ecgdeploy.ecg.wfdb_header import read_header
from ecgdeploy.ecg.wfdb_signal import read_signals
from ecgdeploy.errors import DataError

from .conftest import real, write_record

pytestmark = pytest.mark.slow
DIGITAL = np.random.default_rng(3).integers(-900, 900, (120, 2))
LEADS = ("MLII", "V5")
# what a confused program or a careless editor might put into a header
WORDS = st.sampled_from(
    ["0", "-1", "1e309", "nan", "inf", "2", "360", "650000", "99999999999999999999", "r1.dat", "r1.mat", "../r1.dat",
     "16", "212", "310", "8", "16x2", "16:5", "16+24", "212+1", "1000/mV", "0/mV", "-5/mV", "200(1024)/mV", "1/uV",
     "1000/mmHg", "1000.0.0/mV", "", "\t", "#", "é", "\x00", "~", "I", "\n", "r1/3", "1.5"]
)  # fmt: skip


def edits(size: int) -> st.SearchStrategy:
    """A few byte-wise changes of a file of about `size` bytes: overwrite, insert, delete, cut, repeat."""
    place = st.integers(0, max(size, 1))
    one = st.one_of(
        st.tuples(st.just("set"), place, st.binary(min_size=1, max_size=4)),
        st.tuples(st.just("insert"), place, st.binary(min_size=1, max_size=6)),
        st.tuples(st.just("delete"), place, st.integers(1, 40)),
        st.tuples(st.just("cut"), place, st.just(0)),
        st.tuples(st.just("repeat"), place, st.integers(1, 40)),
    )
    return st.lists(one, min_size=1, max_size=4)


def apply(content: bytes, changes: list) -> bytes:
    for kind, at, value in changes:
        if kind == "set":
            content = content[:at] + value + content[at + len(value) :]
        elif kind == "insert":
            content = content[:at] + value + content[at:]
        elif kind == "delete":
            content = content[:at] + content[at + value :]
        elif kind == "cut":
            content = content[:at]
        else:
            content = content[:at] + content[at : at + value] + content[at:]
    return content


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def quick(count: int):
    """So many cases, the same each time (a find would otherwise come and go), and without hypothesis' own clock."""
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=count, deadline=None, suppress_health_check=quiet, database=None, derandomize=True)


def clear(error: DataError) -> None:
    """One line that names a file, and one that says what to do."""
    assert "\n" not in str(error)
    assert error.hint
    assert re.search(r"\w+\.(hea|dat|mat|atr|h5|csv)|record \w+", error.message), error.message


def check_signals(path: Path, samples: np.ndarray) -> None:
    """Read; either it is refused, or every lead is these samples under the header's own gain."""
    try:
        signals = read_signals(path)
    except DataError as error:
        clear(error)
        return
    lines = signals.header.signals
    assert signals.millivolts.shape == (signals.header.samples, len(lines))
    if all(line.checksum is not None for line in lines):
        # the sums hold, so these are the samples that were written (or a rearrangement that no sum can tell)
        assert signals.millivolts.shape[0] * len(lines) == samples.size
        for line, lead in zip(lines, signals.millivolts.T, strict=True):
            back = np.round(np.nan_to_num(lead.astype(np.float64)) * line.gain + line.baseline)
            stated = (int(back[np.isfinite(lead)].sum()) - (line.checksum or 0)) % 65536
            assert stated == 0 or not np.isfinite(lead).all() or np.abs(lead).max() > 1e5


@pytest.mark.parametrize("layout", ["16", "212", "16+24"])
def test_a_damaged_header_gives_an_error_or_the_samples(folder, layout):
    path = write_record(folder / layout, "r1", DIGITAL, LEADS, 360, layout=layout, comments=("# 69 M", "#Dx: 1"))
    good = path.read_bytes()
    tokens = re.split(rb"(\s+)", good)

    @quick(300)
    @given(edits(len(good)))
    def bytewise(changes):
        path.write_bytes(apply(good, changes))
        check_signals(path, DIGITAL)

    @quick(300)
    @given(st.lists(st.tuples(st.integers(0, len(tokens) - 1), WORDS), min_size=1, max_size=3))
    def wordwise(changes):
        changed = list(tokens)
        for place, word in changes:
            changed[place] = word.encode()
        path.write_bytes(b"".join(changed))
        check_signals(path, DIGITAL)

    bytewise()
    wordwise()
    path.write_bytes(good)
    assert np.array_equal(read_signals(path).millivolts, (DIGITAL / 1000).astype(np.float32))


@pytest.mark.parametrize("layout", ["16", "212", "16+24"])
def test_a_damaged_signal_file_is_refused_or_unchanged(folder, layout):
    path = write_record(folder / f"d{layout}", "r1", DIGITAL, LEADS, 360, layout=layout)
    file = path.with_suffix(".mat" if layout == "16+24" else ".dat")
    good = file.read_bytes()

    @quick(250)
    @given(edits(len(good)))
    def run(changes):
        damaged = apply(good, changes)
        file.write_bytes(damaged)
        try:
            signals = read_signals(path)
        except DataError as error:
            clear(error)
            return
        # read without a complaint: then the length and every sum are right
        assert len(damaged) == len(good)
        assert signals.millivolts.shape == DIGITAL.shape
        digital = np.round(np.nan_to_num(signals.millivolts, nan=-32.768) * 1000).astype(int)
        if layout != "212":
            assert not ((digital.sum(axis=0) - DIGITAL.sum(axis=0)) % 65536).any()

    run()


def test_a_matlab_header_is_compared_with_the_wfdb_header(folder):
    path = write_record(folder / "mat", "r1", DIGITAL, LEADS, 360, layout="16+24")
    file = path.with_suffix(".mat")
    good = file.read_bytes()
    for at in range(24):
        for value in (0, 1, 255, good[at] ^ 16):
            file.write_bytes(good[:at] + bytes([value]) + good[at + 1 :])
            if value == good[at]:
                assert read_signals(path).millivolts.shape == DIGITAL.shape
            else:
                with pytest.raises(DataError, match=r"r1\.mat"):
                    read_signals(path)


def test_a_damaged_annotation_file_gives_an_error_or_ordered_annotations(folder):
    path = folder / "r1.atr"
    rng = np.random.default_rng(8)
    places = np.cumsum(rng.choice([1, 90, 1023, 1500, 70_000], 40))
    symbols = rng.choice(["N", "V", "A", "+", "~"], 40).tolist()
    write_annotations(path, Annotations.at(places, symbols, ["(AFIB" if s == "+" else "" for s in symbols]))
    good = path.read_bytes()
    length = int(places[-1]) + 1

    @quick(1000)
    @given(edits(len(good)))
    @example([("cut", 0, 0)])
    @example([("set", 0, b"\x00\xec\xff\x7f\xff\xff")])  # a skip of nearly 2^31
    @example([("set", 0, b"\x00\xec\xff\xff\xff\xff")])  # a skip backwards
    def run(changes):
        path.write_bytes(apply(good, changes))
        try:
            found = read_annotations(path, length)
        except DataError as error:
            clear(error)
            return
        assert len(found) == len(found.samples) == len(found.symbols) == len(found.notes)
        assert (np.diff(found.samples) >= 0).all()
        assert not len(found) or (found.samples[0] >= 0 and found.samples[-1] < length)
        assert set(found.symbols) <= set(SYMBOLS.values())

    run()


@quick(500)
@given(st.binary(max_size=300))
def test_any_bytes_are_an_annotation_file_or_are_refused(folder, content):
    path = folder / "any.atr"
    path.write_bytes(content)
    try:
        found = read_annotations(path)
    except DataError as error:
        clear(error)
        return
    write_annotations(folder / "again.atr", found)
    again = read_annotations(folder / "again.atr")
    assert np.array_equal(again.samples, found.samples)
    assert (again.symbols, again.notes) == (found.symbols, found.notes)


@quick(500)
@given(st.text(max_size=300))
def test_any_text_is_a_header_or_is_refused(folder, text):
    path = folder / "r1.hea"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    try:
        header = read_header(path)
    except DataError as error:
        clear(error)
        return
    assert header.name == "r1"
    assert header.signals


def test_a_damaged_cpsc_file_gives_an_error_or_twelve_leads(folder):
    place = folder / "cpsc"
    place.mkdir()
    path = place / "A0001.mat"
    (place / "REFERENCE.csv").write_text("Recording,First_label,Second_label,Third_label\nA0001,1,,\n")
    savemat(path, {"ECG": {"sex": "Male", "age": 74, "data": np.tile(DIGITAL.T / 1000, (6, 1))}})
    good = path.read_bytes()
    source = Cpsc2018(place)

    @quick(300)
    @given(edits(600))
    def run(changes):
        path.write_bytes(apply(good, changes))
        try:
            record = source.record("A0001")
        except DataError as error:
            clear(error)
            return
        assert record.leads == STANDARD_LEADS
        assert record.signal.dtype == np.float32

    run()


def test_a_damaged_hdf5_file_gives_an_error_or_twelve_leads(folder):
    place = folder / "sph"
    (place / "records").mkdir(parents=True)
    path = place / "records" / "A00001.h5"
    heading = "ECG_ID,AHA_Code,Patient_ID,Age,Sex,Date,N\n"
    (place / "metadata.csv").write_text(heading + "A00001,1,S1,50,F,2020-01-01,120\n")
    with h5py.File(path, "w") as file:
        file["ecg"] = np.tile(DIGITAL.T / 1000, (6, 1)).astype(np.float16)
    good = path.read_bytes()
    source = Sph(place)

    @quick(250)
    @given(edits(2200))
    def run(changes):
        path.write_bytes(apply(good, changes))
        try:
            record = source.record("A00001")
        except DataError as error:
            clear(error)
            return
        assert record.signal.shape == (120, 12)

    run()


TABLES = {
    "ptbxl_database.csv": (
        "ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr,filename_hr\n"
        "1,15709.0,56.0,1,\"{'NORM': 100.0, 'SR': 0.0}\",3,records100/00000/00001_lr,records500/00000/00001_hr\n"
        "2,13243.0,19.0,0,\"{'NORM': 80.0}\",2,records100/00000/00001_lr,records500/00000/00002_hr\n"
    ),
    "REFERENCE-v3.csv": "A00001,N\nA00002,A\nA00003,~\n",
    "REFERENCE.csv": "Recording,First_label,Second_label,Third_label\nA0001,1,,\nA0002,5,2,\n",
    "metadata.csv": "ECG_ID,AHA_Code,Patient_ID,Age,Sex,Date,N\nA00001,1;22+310,S1,50,F,2020-01-01,120\n",
    "Diagnostics.csv": "FileName,Rhythm,PatientAge,Gender\nMUSE_1,AFIB,59,MALE\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_table_gives_an_error_or_records(folder, name):
    place = folder / f"table {name}"
    (place / "records100" / "00000").mkdir(parents=True)
    (place / "records").mkdir()
    write_record(place / "records100" / "00000", "00001_lr", np.tile(DIGITAL, (10, 6))[:1000], STANDARD_LEADS, 100)
    write_record(place, "A00001", DIGITAL[:, :1], ("ECG",), 300, layout="16+24")
    with h5py.File(place / "records" / "A00001.h5", "w") as file:
        file["ecg"] = np.zeros((12, 120), np.float16)
    good = TABLES[name].encode()
    kind = {
        "ptbxl_database.csv": PtbXl,
        "REFERENCE-v3.csv": Cinc2017,
        "REFERENCE.csv": Cpsc2018,
        "metadata.csv": Sph,
        "Diagnostics.csv": Chapman,
    }[name]

    @quick(300)
    @given(edits(len(good)))
    @example([])
    def run(changes):
        (place / name).write_bytes(apply(good, changes))
        try:
            source = kind(place)
            for record in source.names():
                assert source.record(record).signal.dtype == np.float32
        except DataError as error:
            clear(error)

    run()


REAL = {
    "mitdb/114.hea": (lambda folder: MitBih(folder / "mitdb").record("114"), 60),
    "cinc2017/training2017/A00225.hea": (lambda folder: Cinc2017(folder / "cinc2017").record("A00225"), 250),
    "cinc2021/training/ningbo/JS20000.hea": (lambda folder: Cinc2020(folder / "cinc2021").record("JS20000"), 250),
    "ptb-xl/records100/00000/00001_lr.hea": (lambda folder: PtbXl(folder / "ptb-xl").record("00001"), 250),
}


@pytest.mark.parametrize("header", REAL)
def test_a_damaged_header_of_a_known_data_set_never_changes_the_signal(real_data, tmp_path, header):
    """Rates, gains, baselines and leads are known there, so that even what no checksum covers is seen."""
    read, count = REAL[header]
    real(real_data, header.partition("/")[0])
    folder = (tmp_path / header).parent
    folder.mkdir(parents=True)
    for path in (real_data / header).parent.glob(f"{Path(header).stem}.*"):
        shutil.copyfile(path, folder / path.name)
    (tmp_path / "cinc2017").mkdir(exist_ok=True)
    (tmp_path / "cinc2017" / "REFERENCE-v3.csv").write_text("A00225,N\n")
    rows = (real_data / "ptb-xl" / "ptbxl_database.csv").read_text().splitlines()[:2] if "ptb-xl" in header else []
    (tmp_path / "ptb-xl").mkdir(exist_ok=True)
    (tmp_path / "ptb-xl" / "ptbxl_database.csv").write_text("\n".join(rows) + "\n")
    target = tmp_path / header
    good, sound = target.read_bytes(), read(tmp_path)
    one = st.tuples(st.just("set"), st.integers(0, len(good)), st.sampled_from(b"0123456789 .-()/+xmV#"))
    digits = st.lists(one, min_size=1, max_size=3)

    @quick(count)
    @given(st.one_of(edits(len(good)), digits.map(lambda found: [(k, at, bytes([v])) for k, at, v in found])))
    @example([])
    def run(changes):
        target.write_bytes(apply(good, changes))
        try:
            record = read(tmp_path)
        except DataError as error:
            clear(error)
            return
        assert (record.leads, record.rate) == (sound.leads, sound.rate)
        assert np.array_equal(record.signal, sound.signal)

    run()
