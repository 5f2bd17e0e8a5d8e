"""WFDB files: valid ones are read to the bit, damaged ones end in one clear line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgdeploy.ecg.record import Annotations
from ecgdeploy.ecg.wfdb_annotation import read_annotations, write_annotations
from ecgdeploy.ecg.wfdb_header import read_header
from ecgdeploy.ecg.wfdb_signal import read_signals
from ecgdeploy.errors import DataError

from .conftest import real, write_record

LEADS = ("I", "II")


@pytest.mark.parametrize("layout", ["16", "212", "16+24", "16x1+24"])
@pytest.mark.parametrize("gain", ["1000/mV", "1000/mv", "1000.0(0)/mV", "1000.0(0)/mv", "1/uV", "1000"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_layout_of_the_data_sets_is_read(tmp_path, digital, layout, gain, newline):
    path = write_record(tmp_path, "r1", digital, LEADS, layout=layout, gain=gain, newline=newline)
    signals = read_signals(path)
    assert signals.leads == LEADS
    assert signals.millivolts.dtype == np.float32
    assert np.array_equal(signals.millivolts, (digital / 1000).astype(np.float32))


def test_a_gain_baseline_and_adc_zero_are_applied(tmp_path, digital):
    path = write_record(tmp_path, "r1", digital, LEADS, gain="200(1024)/mV")
    assert np.array_equal(read_signals(path).millivolts, ((digital - 1024) / 200).astype(np.float32))
    text = path.read_text().replace("200(1024)/mV 16 0", "200 11 1024")
    path.write_text(text)
    assert np.array_equal(read_signals(path).millivolts, ((digital - 1024) / 200).astype(np.float32))


@pytest.mark.parametrize(("layout", "empty"), [("16", -32768), ("212", -2048)])
def test_the_value_for_no_sample_becomes_nan(tmp_path, digital, layout, empty):
    digital[17, 1] = empty
    millivolts = read_signals(write_record(tmp_path, "r1", digital, LEADS, layout=layout)).millivolts
    assert np.argwhere(np.isnan(millivolts)).tolist() == [[17, 1]]


@pytest.mark.parametrize("comment", ["#Dx: 1,2", "# Dx: 1,2", "#  dx:1,2 "])
def test_comments_are_found_with_and_without_a_space(tmp_path, digital, comment):
    path = write_record(tmp_path, "r1", digital, LEADS, comments=("# 69 M", comment))
    assert read_header(path).comment("Dx") == "1,2"
    assert read_header(path).comment("Rx") is None


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


HEADER_FAULTS = {
    "another record": (("r1 2", "r2 2"), "the header is record 'r2'"),
    "a lead too few": (("r1 2", "r1 3"), "3 signals announced, 2 described"),
    "several segments": (("r1 2", "r1/4 2"), "multi-segment"),
    "no rate": (("500 400", "0 400"), "sampling rate 0"),
    "no length": ((" 500 400", " 500"), "number of samples is not given"),
    "a file elsewhere": (("r1.dat", "../r1.dat"), "cannot read signal 0"),
    "an unknown format": (("r1.dat 16", "r1.dat 310"), "differ in format|signal format 310"),
    "no calibration": (("1000/mV", "0/mV"), "not calibrated"),
    "no voltage": (("1000/mV", "1000/mmHg"), "is in 'mmHg'"),
    "several samples a frame": (("r1.dat 16 ", "r1.dat 16x4 "), "several samples a frame"),
    "words": (("1000/mV 16", "1000/mV many"), "cannot read signal 0"),
}


@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_a_header_that_is_not_plainly_valid_is_refused(tmp_path, digital, fault):
    path = write_record(tmp_path, "r1", digital, LEADS)
    (old, new), message = HEADER_FAULTS[fault]
    edit(path, old, new)
    with pytest.raises(DataError, match=message) as refusal:
        read_signals(path)
    assert "r1.hea" in refusal.value.message
    assert "\n" not in str(refusal.value)


def test_a_wrong_checksum_names_the_lead_and_the_file(tmp_path, digital):
    path = write_record(tmp_path, "r1", digital, LEADS)
    data = bytearray((tmp_path / "r1.dat").read_bytes())
    data[101] ^= 4
    (tmp_path / "r1.dat").write_bytes(data)
    with pytest.raises(DataError, match=r"wrong checksum of lead I in r1\.dat"):
        read_signals(path)


def test_a_header_sum_of_zero_is_a_sum_unless_the_source_means_none(tmp_path, digital):
    path = write_record(tmp_path, "r1", digital[:, :1], ("ECG",))
    edit(path, f" {digital[0, 0]} {(int(digital[:, 0].sum()))} 0 ECG", f" {digital[0, 0]} 0 0 ECG")
    with pytest.raises(DataError, match="wrong checksum"):
        read_signals(path)
    assert "no checksum" in read_signals(path, sums_absent=True).remarks[0]


def test_a_stale_initial_value_is_an_error_or_a_remark(tmp_path, digital):
    path = write_record(tmp_path, "r1", digital[:, :1], ("ECG",))
    edit(path, f"16 0 {digital[0, 0]} ", "16 0 12345 ")
    with pytest.raises(DataError, match="first sample of lead ECG"):
        read_signals(path)
    assert "stale initial value" in read_signals(path, stale_initial=True).remarks[0]


@pytest.mark.parametrize("layout", ["16", "212", "16+24"])
@pytest.mark.parametrize(("change", "message"), [(-1, "truncated"), (1, "too long"), (-700, "truncated")])
def test_a_signal_file_of_the_wrong_length_is_refused(tmp_path, digital, layout, change, message):
    path = write_record(tmp_path, "r1", digital, LEADS, layout=layout)
    file = next(p for p in tmp_path.iterdir() if p != path)
    data = file.read_bytes()
    file.write_bytes(data[:change] if change < 0 else data + b"\0" * change)
    with pytest.raises(DataError, match=message):
        read_signals(path)


def test_a_missing_signal_file_or_header_is_named(tmp_path, digital):
    path = write_record(tmp_path, "r1", digital, LEADS)
    (tmp_path / "r1.dat").unlink()
    with pytest.raises(DataError, match=r"its signal file r1\.dat is missing"):
        read_signals(path)
    with pytest.raises(DataError, match=r"r2\.hea: no such header"):
        read_signals(tmp_path / "r2.hea")


def test_a_mat_file_that_contradicts_its_header_is_refused(tmp_path, digital):
    path = write_record(tmp_path, "r1", digital, LEADS, layout="16+24")
    data = bytearray((tmp_path / "r1.mat").read_bytes())
    data[4] = 5
    (tmp_path / "r1.mat").write_bytes(data)
    with pytest.raises(DataError, match="not the int16 matrix"):
        read_signals(path)


def test_annotations_survive_a_round_trip_and_wfdb_reads_them_alike(tmp_path):
    rng = np.random.default_rng(5)
    places = np.cumsum(rng.choice([1, 90, 1023, 1024, 70_000, 3_000_000], 60))
    written = Annotations(
        places, tuple(rng.choice(["N", "V", "A", "+", "~"], 60)), tuple(rng.choice(["", "(AFIB", "odd"], 60)),
        rng.integers(-3, 4, 60).astype(np.int8), rng.integers(0, 2, 60).astype(np.int8), np.zeros(60, np.int8),
    )  # fmt: skip
    write_annotations(tmp_path / "r1.tst", written)
    read = read_annotations(tmp_path / "r1.tst", int(places[-1]) + 1)
    theirs = wfdb.rdann(str(tmp_path / "r1"), "tst")
    for field in ("samples", "subtypes", "channels", "numbers"):
        assert np.array_equal(getattr(read, field), getattr(written, field))
    assert (read.symbols, read.notes) == (written.symbols, written.notes)
    assert np.array_equal(theirs.sample, places)
    assert tuple(theirs.symbol) == written.symbols


def damaged(data: bytes, fault: str) -> bytes:
    return {
        "truncated": data[:-2],
        "odd": data[:-1],
        "trailing": data + b"\x12\x34",
        "unknown code": b"\x01\xcc" + data,
        "field first": b"\x01\xf4" + data,
        "empty": b"",
    }[fault]


@pytest.mark.parametrize("fault", ["truncated", "odd", "trailing", "unknown code", "field first", "empty"])
def test_a_damaged_annotation_file_is_refused(tmp_path, fault):
    path = tmp_path / "r1.atr"
    write_annotations(path, Annotations.at([5, 9, 2000], ["N", "V", "+"], ["", "", "(N"]))
    path.write_bytes(damaged(path.read_bytes(), fault))
    with pytest.raises(DataError, match=r"r1\.atr"):
        read_annotations(path)


def test_an_annotation_beyond_the_record_is_refused(tmp_path):
    write_annotations(tmp_path / "r1.atr", Annotations.at([5, 400], ["N", "N"]))
    assert len(read_annotations(tmp_path / "r1.atr", 401)) == 2
    with pytest.raises(DataError, match="at sample 400, the record has 400"):
        read_annotations(tmp_path / "r1.atr", 400)


@pytest.mark.parametrize("pattern", ["mitdb/1*.hea", "ptb-xl/records100/00000/0000*.hea", "cinc2021/training/*/*1.hea"])
def test_real_signals_equal_those_of_wfdb(real_data, pattern):
    real(real_data, pattern.split("/")[0])
    paths = sorted(real_data.glob(pattern))[:24]
    assert paths
    for path in paths:
        ours = read_signals(path)
        theirs = wfdb.rdrecord(str(path.with_suffix("")))
        assert np.array_equal(ours.millivolts, theirs.p_signal.astype(np.float32)), path.name
        assert ours.header.rate == theirs.fs


def test_real_annotations_equal_those_of_wfdb_and_survive_rewriting(real_data, tmp_path):
    folder = real(real_data, "mitdb")
    for path in sorted(folder.glob("2*.atr"))[:12]:
        ours = read_annotations(path)
        theirs = wfdb.rdann(str(path.with_suffix("")), "atr")
        assert np.array_equal(ours.samples, theirs.sample)
        assert list(ours.symbols) == theirs.symbol
        assert list(ours.notes) == [note.rstrip("\0") for note in theirs.aux_note]
        write_annotations(tmp_path / path.name, ours)
        again = read_annotations(tmp_path / path.name)
        assert np.array_equal(again.samples, ours.samples)
        assert (again.symbols, again.notes) == (ours.symbols, ours.notes)


def test_a_damaged_copy_of_a_real_record_is_refused(real_data, tmp_path):
    folder = real(real_data, "mitdb")
    for suffix in (".hea", ".dat", ".atr"):
        shutil.copyfile(folder / f"100{suffix}", tmp_path / f"100{suffix}")
    text = (tmp_path / "100.hea").read_text()
    (tmp_path / "100.hea").write_text(text.replace("-22131", "-22132"))
    with pytest.raises(DataError, match=r"100\.hea: wrong checksum of lead MLII in 100\.dat"):
        read_signals(tmp_path / "100.hea")


@pytest.mark.parametrize(
    "line",
    [f"r1.dat 16 1000/mV 16 0 5 5 0 a{' ' * 200_000}b", f"r1.dat{' ' * 200_000}x", f"r1.dat 16 {'1' * 200_000}"],
    ids=["spaces in a name", "spaces before a format", "digits"],
)
def test_a_very_long_line_is_refused_at_once(tmp_path, line):
    (tmp_path / "r1.hea").write_text(f"r1 1 360 400\n{line}\n")
    with pytest.raises(DataError, match="a line of more than 1024 characters"):
        read_header(tmp_path / "r1.hea")


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path, digital, monkeypatch):
    path = write_record(tmp_path, "r1", digital, LEADS)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, "fromfile", refuse)
    with pytest.raises(DataError, match=r"r1\.hea: its signals cannot be read: Permission denied"):
        read_signals(path)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"r1\.hea: cannot be read: Permission denied"):
        read_signals(path)
