"""`ecgdeploy data check`: nothing wrong is missed in a damaged copy, nothing is wrong in the published files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ecgdeploy.cli.data import data
from ecgdeploy.ecg.checks import SetReport, check_folder
from ecgdeploy.ecg.checks.sums import parse_sums
from ecgdeploy.ecg.record import STANDARD_LEADS, Annotations
from ecgdeploy.ecg.wfdb_annotation import write_annotations
from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_file

from .conftest import real, write_mitbih, write_record


@pytest.mark.slow
def test_the_published_files_have_their_counts_and_no_fault(real_data):
    for name in ("mitdb", "ptb-xl", "cinc2017", "cinc2021"):
        real(real_data, name)
    found = {report.key: report for report in check_folder(real_data)}
    assert {key: report.records for key, report in found.items()} == {
        "mitdb": 48, "ptb-xl": 1987, "cinc2017": 1500, "cinc2021": 130,
    }  # fmt: skip
    assert found["mitdb"].counts["beats"] == 109_494
    assert [fault for report in found.values() for fault in report.faults] == []
    said = {key: {oddity.text: oddity.items for oddity in report.oddities} for key, report in found.items()}
    assert said["mitdb"]["MLII is not the first lead (read by name)"] == ("114 V5/MLII",)
    assert len(said["cinc2017"]["stale initial value (36)"]) == 36
    assert {"units mv in 21 headers", "comment '# Dx:' in 50 headers", "format 16x1+24 in 50 headers"} <= set(
        said["cinc2021"]
    )
    assert "training/georgia/E07509.mat = training/georgia/E07510.mat" in sum(said["cinc2021"].values(), ())


@pytest.fixture
def copy(tmp_path) -> Path:
    """A small MIT-BIH folder with sums, made by the test."""
    folder = tmp_path / "mitdb"
    for name in ("100", "101"):
        write_mitbih(folder, name, 720)
        write_annotations(folder / f"{name}.atr", Annotations.at([9, 300, 500], ["+", "N", "V"], ["(N", "", ""]))
    (folder / "RECORDS").write_text("100\n101\n")
    lines = [f"{sha256_file(path)} {path.name}" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS.txt").write_text("\n".join([*lines, f"{'0' * 64} 100.xws", f"{'0' * 64} x_mitdb/x_108.hea"]))
    return folder


def only(folder: Path) -> SetReport:
    (report,) = check_folder(folder)
    return report


def test_a_sound_copy_has_no_fault_and_its_counts(copy):
    report = only(copy)
    assert report.faults == ()
    assert report.records == 2
    assert report.counts == {"beats": 4, "annotations": 6, "files with a verified SHA-256 sum": 7}
    assert any("2 files that SHA256SUMS.txt names are not here" in oddity.text for oddity in report.oddities)
    assert only(copy.parent).to_dict() == report.to_dict()  # the folder above finds it too


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 8
    path.write_bytes(content)


DAMAGES = {
    "a changed sample": (lambda f: flip(f / "100.dat", 50), {"100.dat": "SHA-256", "100.hea": "wrong checksum"}),
    "a changed annotation": (lambda f: flip(f / "101.atr", 8), {"101.atr": "SHA-256"}),
    "a changed header": (lambda f: flip(f / "101.hea", 20), {"101.hea": "SHA-256"}),
    "a cut signal": (lambda f: (f / "100.dat").write_bytes(b"abc"), {"100.dat": "truncated"}),
    "no signal": (lambda f: (f / "100.dat").unlink(), {"100.dat": "missing"}),
    "no header": (lambda f: (f / "100.hea").unlink(), {"100.hea": "missing", "100.dat": "without its header"}),
    "no annotations": (lambda f: (f / "100.atr").unlink(), {"100.atr": "no such annotation file"}),
    "a broken sums file": (lambda f: (f / "SHA256SUMS.txt").write_text("nonsense\n"), {"SHA256SUMS.txt": "no sum"}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_reported_with_its_file(copy, damage):
    harm, expected = DAMAGES[damage]
    harm(copy)
    faults = only(copy).faults
    for file, text in expected.items():
        assert any(fault.file == file and text in fault.text for fault in faults), faults
    assert all("101" not in fault.file for fault in faults) or "101" in str(expected)


def test_a_whole_record_that_is_gone_is_a_fault(copy):
    for path in copy.glob("101.*"):
        path.unlink()
    assert {fault.file for fault in only(copy).faults} == {"101.hea", "101.dat", "101.atr"}
    (copy / "SHA256SUMS.txt").unlink()
    assert [fault.file for fault in only(copy).faults] == ["101.hea"]


def test_a_manifest_names_every_file_so_that_an_absent_one_is_a_fault(tmp_path):
    folder = tmp_path / "cinc2017" / "training2017"
    signal = np.random.default_rng(1).integers(-900, 900, (3000, 1))
    for name in ("A00001", "A00002", "A00003"):
        write_record(folder, name, signal, ("ECG",), 300, layout="16+24")
    (tmp_path / "cinc2017" / "REFERENCE-v3.csv").write_text("A00001,N\nA00002,A\nA00009,O\n")
    paths = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    lines = [f"{sha256_file(path)}  {path.relative_to(tmp_path)}" for path in paths]
    (tmp_path / "MANIFEST.sha256").write_text("\n".join([*lines, f"{'1' * 64}  cinc2017/training2017/A00009.mat"]))
    report = only(tmp_path)
    assert {(fault.file, fault.text) for fault in report.faults} == {
        ("A00003.hea", "REFERENCE-v3.csv has no label for it"),
        ("training2017/A00009.mat", "named in MANIFEST.sha256, missing"),
    }
    identical = next(oddity for oddity in report.oddities if "byte-identical" in oddity.text)
    assert identical.items == ("training2017/A00001.mat = training2017/A00002.mat = training2017/A00003.mat",)


def test_ptbxl_rows_and_waveforms_must_agree(tmp_path):
    write_record(tmp_path / "records100" / "00000", "00005_lr", np.ones((1000, 12), int), STANDARD_LEADS, 100)
    heading = "ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr,filename_hr\n"
    row = "5,1.0,56.0,1,\"{'NORM': 100.0}\",3,records100/00000/00005_lr,records500/00000/00005_hr\n"
    codes = "NORM,1.0,,,NORM\n"
    (tmp_path / "ptbxl_database.csv").write_text(heading + row.replace("00005_lr", "00004_lr"))
    (tmp_path / "scp_statements.csv").write_text(",diagnostic,form,rhythm,diagnostic_class\n" + codes)
    report = only(tmp_path)
    assert ("records100/00000/00005_lr.hea", "ptbxl_database.csv has no row for it") in {
        (fault.file, fault.text) for fault in report.faults
    }


@pytest.mark.parametrize("line", [f"{'0' * 64} ../../etc/passwd", f"{'0' * 64} /etc/passwd", "short 100.dat", "0" * 64])
def test_a_sums_line_that_leads_elsewhere_is_refused(tmp_path, line):
    path = tmp_path / "SHA256SUMS.txt"
    path.write_text(f"{'a' * 64} *100.dat\n\n{line}\n")
    sums, faults = parse_sums(path)
    assert sums == {"100.dat": "a" * 64}
    assert len(faults) == 1
    assert "line 3" in faults[0].text


def test_a_folder_without_a_data_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="none of the known data sets"):
        check_folder(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        check_folder(tmp_path / "nowhere")


def test_the_command_prints_faults_and_exits_with_2(copy):
    shutil.copyfile(copy / "101.dat", copy / "100.dat")
    result = CliRunner().invoke(data, ["check", str(copy)], standalone_mode=False)
    assert "FAULT 100.hea: " in result.output
    assert "known: part of the data set: 2 of 48 published records" in result.output
    assert isinstance(result.exception, DataError)
    assert result.exception.exit_code == 2
    as_json = CliRunner().invoke(data, ["check", "--json", str(copy)], standalone_mode=False)
    report = json.loads(as_json.stdout)[0]
    assert report["records"] == 1
    assert {fault["file"] for fault in report["faults"]} == {"100.hea", "100.dat"}


def test_a_signal_that_another_header_names_is_no_orphan(tmp_path):
    folder = tmp_path / "cinc2021" / "training" / "ningbo"
    signal = np.random.default_rng(1).integers(-900, 900, (500, 12))
    path = write_record(folder, "JS23074", signal, STANDARD_LEADS, layout="16+24", comments=("#Dx: 426783006",))
    path.rename(folder / "S23074.hea")
    text = (folder / "S23074.hea").read_text()
    (folder / "S23074.hea").write_text(text.replace("JS23074 12", "S23074 12", 1))
    report = only(tmp_path)
    assert (report.records, report.faults) == (1, ())
    (folder / "S23074.hea").unlink()
    write_record(folder, "JS20000", signal, STANDARD_LEADS, layout="16+24", comments=("#Dx: 426783006",))
    assert [fault.text for fault in only(tmp_path).faults] == ["a signal file without its header"]
