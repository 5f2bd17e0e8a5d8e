"""Every data set is read from its published layout: small copies, and the real files where they are."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from ecgdeploy.ecg.record import STANDARD_LEADS, Annotations, Record
from ecgdeploy.ecg.sources import chapman, cinc2020, icentia11k, ptbxl, sph
from ecgdeploy.ecg.sources.chapman import Chapman
from ecgdeploy.ecg.sources.cinc2017 import Cinc2017
from ecgdeploy.ecg.sources.cinc2020 import Cinc2020
from ecgdeploy.ecg.sources.cpsc2018 import Cpsc2018
from ecgdeploy.ecg.sources.icentia11k import Icentia11k
from ecgdeploy.ecg.sources.matlab import read_struct
from ecgdeploy.ecg.sources.mitbih import MitBih
from ecgdeploy.ecg.sources.ptbxl import PtbXl
from ecgdeploy.ecg.sources.sph import Sph
from ecgdeploy.ecg.wfdb_annotation import write_annotations
from ecgdeploy.errors import DataError, UsageError

from .conftest import real, write_mitbih, write_record

RNG = np.random.default_rng(11)
TWELVE = RNG.integers(-900, 900, (600, 12))
TEN_SECONDS = RNG.integers(-900, 900, (5000, 12))


def table(path: Path, *rows: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# PTB-XL


def test_ptbxl_has_the_published_folds_and_statements(real_data):
    source = PtbXl(real(real_data, "ptb-xl"))
    assert len(source.names()) == 1987
    folds = np.array([source.rows[name].fold for name in source.names()])
    assert [(folds <= 8).sum(), (folds == 9).sum(), (folds == 10).sum()] == [1490, 242, 255]
    assert {group: len(source.group(group)) for group in ptbxl.GROUPS} == {"diagnostic": 44, "form": 19, "rhythm": 12}
    found = [source.superclasses(source.rows[name].codes) for name in source.names()]
    counts = {name: sum(name in classes for classes in found) for name in ptbxl.SUPERCLASSES}
    assert counts == {"NORM": 1051, "STTC": 467, "CD": 410, "MI": 370, "HYP": 215}
    assert sum(not classes for classes in found) == 22
    record = source.record("00001")
    assert record.leads == STANDARD_LEADS
    assert record.signal.shape == (1000, 12)
    assert (record.patient, record.age, record.sex) == ("ptbxl-15709", 56.0, "female")
    assert record.statements == ("NORM", "LVOLT", "SR")


@pytest.fixture
def small_ptbxl(tmp_path):
    for rate, suffix in ((100, "lr"), (500, "hr")):
        folder = tmp_path / f"records{rate}" / "00000"
        write_record(folder, f"00001_{suffix}", TEN_SECONDS[: 10 * rate], ptbxl_leads(), rate)
    row = {
        "ecg_id": "1", "patient_id": "7.0", "age": "300.0", "sex": "0", "scp_codes": "{'NORM': 100.0, 'SR': 0.0}",
        "strat_fold": "10", "filename_lr": "records100/00000/00001_lr", "filename_hr": "records500/00000/00001_hr",
    }  # fmt: skip
    absent = {**row, "ecg_id": "2", "filename_lr": "records100/00000/00002_lr", "filename_hr": "elsewhere/00002_hr"}
    table(tmp_path / "ptbxl_database.csv", row, absent)
    return tmp_path


def ptbxl_leads() -> tuple[str, ...]:
    return tuple(name.upper() for name in STANDARD_LEADS)


@pytest.mark.parametrize("rate", [100, 500])
def test_ptbxl_is_read_at_both_rates_and_only_where_the_waveform_is(small_ptbxl, rate):
    source = PtbXl(small_ptbxl, rate)
    assert source.names() == ("00001",)
    record = source.record("00001")
    assert record.rate == rate
    assert record.leads == STANDARD_LEADS  # the files say AVR
    assert record.age is None
    assert "older than 89 years" in record.remarks
    with pytest.raises(UsageError, match="unknown PTB-XL record"):
        source.record("00002")


@pytest.mark.parametrize("codes", ["{'NORM': }", "[1]", "__import__('os')", "{'NORM': 'x'}", "(" * 4000])
def test_a_damaged_ptbxl_row_names_its_line(small_ptbxl, codes):
    path = small_ptbxl / "ptbxl_database.csv"
    path.write_text(path.read_text().replace("{'NORM': 100.0, 'SR': 0.0}", codes, 1))
    with pytest.raises(DataError, match=r"ptbxl_database\.csv: line 2"):
        PtbXl(small_ptbxl).names()


def test_a_table_without_its_columns_is_refused(small_ptbxl):
    (small_ptbxl / "ptbxl_database.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no column ecg_id"):
        PtbXl(small_ptbxl).names()


# CinC 2017


def test_cinc2017_has_its_labels_and_its_stale_initial_values(real_data):
    folder = real(real_data, "cinc2017")
    source = Cinc2017(folder)
    assert len(source.names()) == 1500
    assert len(source.labels) == 8528
    stale = set((folder / "STALE_INITVAL.txt").read_text().split())
    records = [source.record(name) for name in source.names()]
    remarked = {r.name for r in records if any(text.startswith("stale initial") for text in r.remarks)}
    assert remarked == stale & set(source.names())
    assert len(remarked) == 36
    assert all(any("no checksum" in remark for remark in record.remarks) for record in records)
    assert min(r.seconds for r in records) > 9
    assert max(r.seconds for r in records) < 62


def test_cinc2017_labels_that_are_none_are_refused(tmp_path):
    (tmp_path / "REFERENCE-v3.csv").write_text("A00001,N\nA00002,X\n")
    with pytest.raises(DataError, match="line 2 is no label"):
        Cinc2017(tmp_path).names()


# CinC 2020/2021


def test_cinc2021_reads_every_source_and_its_scored_codes_are_the_published_ones(real_data):
    folder = real(real_data, "cinc2021")
    source = Cinc2020(folder)
    records = {name: source.record(name) for name in source.names()}
    assert len(records) == 130
    assert {source.subset(name) for name in records} == set(cinc2020.SUBSETS) - {"st_petersburg_incart"}
    assert all(record.leads == STANDARD_LEADS for record in records.values())
    assert {record.rate for record in records.values()} == {500.0, 1000.0}
    assert all(record.statements for record in records.values())
    with (folder / "dx_mapping_scored.csv").open() as handle:
        published = {row["SNOMEDCTCode"]: row["Abbreviation"] for row in csv.DictReader(handle)}
    assert published.keys() == {code for codes in cinc2020.SCORED_2021.values() for code in codes}
    assert all(name in cinc2020.class_of(code).split("|") for code, name in published.items())
    rows = (folder / "weights.csv").read_text().splitlines()[0].split(",")[1:]
    assert [cinc2020.class_of(row.split("|")[0]) for row in rows] == list(cinc2020.SCORED_2021)
    assert sum(len(codes) for codes in cinc2020.SCORED_2020.values()) == 27


def test_byte_identical_records_count_as_one_person(real_data):
    source = Cinc2020(real(real_data, "cinc2021"))
    assert source.patient("E07509") == source.patient("E07510") == source.record("E07510").patient
    assert len({source.patient(name) for name in source.names()}) == 129


def test_flat_leads_of_real_records_are_found(real_data):
    record = Cinc2020(real(real_data, "cinc2021")).record("JS45542")
    assert [fault.lead for fault in record.faults() if fault.kind == "flat"] == ["V1", "V2", "V3", "V4", "V5", "V6"]


@pytest.mark.parametrize(
    ("comments", "message"),
    [(("#Age: 4",), "no Dx comment"), (("#Dx: 426783006,atrial",), "'atrial' is no SNOMED CT code")],
)
def test_a_challenge_header_without_its_codes_is_refused(tmp_path, comments, message):
    write_record(tmp_path / "georgia", "E00001", TWELVE, STANDARD_LEADS, layout="16+24", comments=comments)
    with pytest.raises(DataError, match=message):
        Cinc2020(tmp_path).record("E00001")


def test_a_record_name_in_two_sources_is_refused(tmp_path):
    for subset in ("georgia/g1", "ptb"):
        write_record(tmp_path / subset, "E00001", TWELVE, STANDARD_LEADS, layout="16+24", comments=("#Dx: 426783006",))
    with pytest.raises(DataError, match="record E00001 is in ptb and in georgia"):
        Cinc2020(tmp_path).names()


# CPSC 2018


@pytest.fixture
def small_cpsc(tmp_path):
    (tmp_path / "TrainingSet1").mkdir()
    ecg = {"sex": "Male", "age": 74, "data": TWELVE.T / 1000.0}
    savemat(tmp_path / "TrainingSet1" / "A0001.mat", {"ECG": ecg})
    columns = ("Recording", "First_label", "Second_label", "Third_label")
    rows = (("A0001", "5", "2", ""), ("A0002", "1", "", ""))
    table(tmp_path / "REFERENCE.csv", *(dict(zip(columns, row, strict=True)) for row in rows))
    return tmp_path


def test_cpsc2018_is_read_from_its_matlab_structs(small_cpsc):
    source = Cpsc2018(small_cpsc)
    assert source.names() == ("A0001",)
    record = source.record("A0001")
    assert record.statements == ("RBBB", "AF")
    assert (record.age, record.sex, record.rate) == (74.0, "male", 500.0)
    assert np.array_equal(record.signal, (TWELVE / 1000).astype(np.float32))


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int16, np.uint8, np.int32])
@pytest.mark.parametrize("compressed", [True, False])
def test_matlab_structs_are_read_as_they_were_written(tmp_path, kind, compressed):
    matrix = np.arange(60).reshape(12, 5).astype(kind)
    content = {"first": 1.5, "ECG": {"data": matrix, "sex": "Female", "age": 44, "note": "é", "empty": []}, "last": "x"}
    savemat(tmp_path / "r.mat", content, do_compression=compressed)
    fields = read_struct(tmp_path / "r.mat", "ECG")
    assert np.array_equal(fields["data"], matrix)
    assert fields["data"].dtype == kind
    assert (fields["sex"], fields["note"], int(fields["age"].flat[0])) == ("Female", "é", 44)
    with pytest.raises(DataError, match="no struct first"):
        read_struct(tmp_path / "r.mat", "first")


@pytest.mark.parametrize("damage", ["cut", "other", "leads", "text"])
def test_a_damaged_cpsc_file_is_refused(small_cpsc, damage):
    path = small_cpsc / "TrainingSet1" / "A0001.mat"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "text":
        path.write_text("no matlab file")
    else:
        content = {"ECG": {"data": TWELVE[:, :3].T}} if damage == "leads" else {"other": 1}
        savemat(path, content)
    with pytest.raises(DataError, match=r"A0001\.mat"):
        Cpsc2018(small_cpsc).record("A0001")


# Chapman-Shaoxing


def sheet(path: Path, rows: list[list[str]]) -> None:
    """The least an .xlsx file has to hold: shared strings, inline strings and numbers."""
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    strings = sorted({cell for row in rows for cell in row if not cell.isdigit()})
    shared = "".join(f"<si><t>{text}</t></si>" for text in strings)
    lines = []
    for number, row in enumerate(rows, 1):
        cells = []
        for letter, cell in zip("ABCDEFG", row, strict=False):
            kind, value = (' t="s"', str(strings.index(cell))) if cell in strings else ("", cell)
            cells.append(f'<c r="{letter}{number}"{kind}><v>{value}</v></c>')
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/sharedStrings.xml", f"<sst {space}>{shared}</sst>")
        data = f"<sheetData>{''.join(lines)}</sheetData>"
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}>{data}</worksheet>")


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("named", [True, False])
def test_chapman_is_read_from_its_first_layout(tmp_path, kind, named):
    name = "MUSE_20180111_155115_19000"
    columns = ["FileName", "Rhythm", "PatientAge", "Gender"]
    row = [name, "AF", "59", "FEMALE"]
    if kind == "xlsx":
        sheet(tmp_path / "Diagnostics.xlsx", [columns, row])
    else:
        table(tmp_path / "Diagnostics.csv", dict(zip(columns, row, strict=True)))
    (tmp_path / "ECGDataDenoised").mkdir()
    heading = ",".join(STANDARD_LEADS) if named else ""
    path = tmp_path / "ECGDataDenoised" / f"{name}.csv"
    np.savetxt(path, TWELVE, delimiter=",", fmt="%.3f", header=heading, comments="")
    if not named:
        path.write_text(path.read_text().lstrip())
    record = Chapman(tmp_path).record(name)
    assert record.leads == STANDARD_LEADS
    assert np.array_equal(record.signal, (TWELVE / 1000).astype(np.float32))  # the files are in microvolts
    assert (record.age, record.sex) == (59.0, "female")
    assert chapman.group_of(record.statements) == "AFIB"


def test_chapman_is_read_from_its_wfdb_layout(tmp_path):
    folder = tmp_path / "WFDBRecords" / "01" / "010"
    comments = ("#Age: 85", "#Sex: Male", "#Dx: 164934002,426177001")
    write_record(folder, "JS00001", TWELVE, STANDARD_LEADS, layout="16+24", comments=comments)
    record = Chapman(tmp_path).record("JS00001")
    assert record.age == 85.0
    assert chapman.group_of(record.statements) == "SB"


@pytest.mark.parametrize(
    ("statements", "group"),
    [
        (("164890007",), "AFIB"),
        (("427084000", "59118001"), "GSVT"),
        (("427393009",), "SR"),
        (("164889003", "426177001"), None),
        (("59118001",), None),
        (("SI",), "SR"),
    ],
)
def test_eleven_rhythms_make_four_groups(statements, group):
    assert chapman.group_of(statements) == group


@pytest.mark.parametrize("damage", ["not a zip", "no sheet", "no column", "entities"])
def test_a_damaged_spreadsheet_is_refused(tmp_path, damage):
    path = tmp_path / "Diagnostics.xlsx"
    sheet(path, [["FileName", "Rhythm"], ["a", "b"]])
    if damage == "not a zip":
        path.write_bytes(b"PK\3\4 nothing")
    elif damage != "no column":
        with zipfile.ZipFile(path, "w") as book:
            if damage == "entities":
                book.writestr("xl/worksheets/sheet1.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(DataError, match=r"Diagnostics\.xlsx"):
        Chapman(tmp_path).names()


# SPH


@pytest.fixture
def small_sph(tmp_path):
    (tmp_path / "records").mkdir()
    with h5py.File(tmp_path / "records" / "A00001.h5", "w") as file:
        file["ecg"] = (TWELVE.T / 512.0).astype(np.float16)
    row = {"ECG_ID": "A00001", "AHA_Code": "60+310;22", "Patient_ID": "S00001", "Age": "55", "Sex": "M", "N": "600"}
    table(tmp_path / "metadata.csv", row, {**row, "ECG_ID": "A00002"})
    return tmp_path


def test_sph_is_read_from_hdf5(small_sph):
    source = Sph(small_sph)
    assert source.names() == ("A00001",)
    record = source.record("A00001")
    assert np.array_equal(record.signal, (TWELVE / 512).astype(np.float16).astype(np.float32))
    assert record.statements == ("60+310", "22")
    assert sph.primary_codes(record.statements) == ("60", "22")
    assert (record.patient, record.age, record.sex) == ("sph-S00001", 55.0, "male")


@pytest.mark.parametrize("damage", ["cut", "name", "leads", "length", "code"])
def test_a_damaged_sph_record_is_refused(small_sph, damage):
    path, rows = small_sph / "records" / "A00001.h5", small_sph / "metadata.csv"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:700])
    elif damage in ("name", "leads"):
        with h5py.File(path, "w") as file:
            file["other" if damage == "name" else "ecg"] = TWELVE[:, :3].T
    elif damage == "length":
        rows.write_text(rows.read_text().replace(",600", ",601"))
    else:
        rows.write_text(rows.read_text().replace("60+310", "normal"))
    with pytest.raises(DataError, match=r"A00001"):
        Sph(small_sph).record("A00001")


# Icentia11k


def test_icentia11k_is_read_with_beats_and_rhythms(tmp_path):
    folder = tmp_path / "p00" / "p00000"
    write_record(folder, "p00000_s00", TWELVE[:, :1], ("ECG",), 250)
    marks = Annotations.at([10, 200, 400, 500], ["+", "N", "S", "V"], ["(AFIB", "", "", ""])
    write_annotations(folder / "p00000_s00.atr", marks)
    source = Icentia11k(tmp_path)
    record = source.record("p00000_s00")
    assert record.rate == icentia11k.RATE
    assert record.patient == "icentia11k-p00000"
    assert record.annotations.symbols == ("+", "N", "S", "V")
    assert record.annotations.notes[0] == "(AFIB"
    with pytest.raises(UsageError, match="names look like p00000_s00"):
        source.record("100")


# the record itself


def test_leads_are_found_by_name_in_any_spelling():
    record = Record("r", np.zeros((4, 2), np.float32), ("V5", "MLII"), 360.0, "p", "s", "l")
    assert record.lead("mlii") is not None
    with pytest.raises(DataError, match="record r has no lead V1 "):
        record.lead("V1")


def test_faults_name_each_lead_and_what_is_wrong_with_it():
    good = np.sin(np.arange(1000) / 9).astype(np.float32)
    flat, gap, saturated = np.full(1000, 0.3), good.copy(), np.clip(good, -0.8, 0.8)
    gap[10:20] = np.nan
    signal = np.stack([good, flat, gap, saturated, np.full(1000, np.nan)], axis=1).astype(np.float32)
    record = Record("r", signal, ("I", "II", "III", "V1", "V2"), 500.0, "p", "s", "l")
    assert [(fault.lead, fault.kind) for fault in record.faults()] == [
        ("II", "flat"), ("III", "nan"), ("V1", "saturated"), ("V2", "missing"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signal": np.zeros((4, 3), np.float32)}, "for 2 leads"),
        ({"signal": np.zeros((4, 2))}, "signal is float64"),
        ({"leads": ("I", "I")}, "a lead name is there twice"),
        ({"signal": np.full((4, 2), np.inf, np.float32)}, "samples beyond 1000 mV"),
        ({"rate": 0.0}, "sampling rate 0"),
        ({"rate": float("nan")}, "sampling rate nan"),
    ],
)
def test_a_record_that_contradicts_itself_does_not_exist(changes, message):
    good = {"name": "r", "signal": np.zeros((4, 2), np.float32), "leads": ("I", "II"), "rate": 360.0}
    with pytest.raises(DataError, match=message):
        Record(**{**good, **changes}, patient="p", source="s", licence="l")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2 360 ", "2 630 ", "630 Hz, records of this data set have 360 Hz"),
        ("212 200 11", "212 20 11", "gain 20/mV, records of this data set have 200/mV"),
        ("MLII", "MLIJ", "lead 'MLIJ', this data set has MLII, V1, V2, V4, V5"),
        ("11 1024", "11 1042", "baseline 1042, records of this data set have 1024"),
    ],
)
def test_a_header_that_contradicts_its_data_set_is_refused(tmp_path, old, new, message):
    path = write_mitbih(tmp_path, "100", 720)
    write_annotations(tmp_path / "100.atr", Annotations.at([300], ["N"]))
    assert MitBih(tmp_path).record("100").rate == 360
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        MitBih(tmp_path).record("100")


@pytest.mark.parametrize("place", ["training2017", "training/A00", "."])
def test_cinc2017_is_found_in_each_published_layout(tmp_path, place):
    write_record(tmp_path / place, "A00001", TWELVE[:, :1], ("ECG",), 300, layout="16+24")
    (tmp_path / "REFERENCE-v3.csv").write_text("A00001,~\nA00002,N\n")
    source = Cinc2017(tmp_path)
    assert source.names() == ("A00001",)
    assert source.record("A00001").statements == ("~",)


def test_chapman_headers_that_were_published_damaged_are_left_out(tmp_path):
    comments = ("#Dx: 426177001",)
    for name in ("JS00001", "JS01052"):
        write_record(tmp_path / "WFDBRecords", name, TWELVE, STANDARD_LEADS, layout="16+24", comments=comments)
    assert Chapman(tmp_path).names() == ("JS00001",)
