"""Reports equal those of the reference programs, bxb and sumstats, character for character."""

import math
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from ecgdeploy.cli import app
from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.scoring.ec57 import (
    Comparison,
    Header,
    compare_record,
    device_annotations,
    line_report,
    matrix_report,
    parse_time,
    read_annotations,
    shutdown_report,
    sumstats,
    write_annotations,
)

RECORDS = ("100", "119", "200", "208", "231")


@pytest.fixture(scope="module")
def bench():
    data = os.environ.get("ECGDEPLOY_DATA")
    if not data or not (Path(data) / "../bench/ec57").is_dir():
        pytest.skip("set ECGDEPLOY_DATA to the folder with mitdb/, beside bench/ec57, to compare whole reports")
    return [Path(data) / "mitdb", (Path(data) / "../bench/ec57").resolve()]


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize(("golden", "sveb", "start"), [("s", False, None), ("S", True, None), ("f0", False, "0")])
def test_standard_reports(bench, record, golden, sveb, start):
    comparison = compare_record(bench, record, ("atr", "tst"), start=start)
    text = "".join(matrix_report(comparison, record, ("atr", "tst"), sveb))
    assert text == (bench[1] / f"bxb_{golden}_{record}.txt").read_text()


@pytest.mark.parametrize(("option", "files"), [("-l", ("l", "sd")), ("-L", ("L", "SD"))])
def test_line_reports_and_their_aggregates_through_the_command_line(bench, tmp_path, option, files):
    targets = [str(tmp_path / name) for name in files]
    db = ":".join(map(str, bench))
    for record in RECORDS:
        arguments = ["ec57", "--db", db, "-r", record, "-a", "atr", "tst", option, *targets]
        assert CliRunner().invoke(app, arguments).exit_code == 0
    for name, target in zip(files, targets, strict=True):
        assert Path(target).read_text() == (bench[1] / f"bxb_{name}.txt").read_text()
        result = CliRunner().invoke(app, ["sumstats", target])
        assert result.output == (bench[1] / f"sumstats_bxb_{name}.txt").read_text()


# every element of the matrix has its own count; the texts are the reference programs' for annotations with these
EVERY = Comparison(
    {
        row + column: count
        for row, counts in {
            "N": (11, 8, 9, 10, 11, 1, 7), "S": (13, 14, 15, 16, 17, 2, 8), "V": (19, 20, 21, 22, 23, 3, 9),
            "F": (25, 26, 27, 28, 29, 4, 10), "Q": (31, 32, 33, 34, 35, 5, 11),
            "O": (17, 18, 19, 20, 21), "X": (40, 42, 44, 46, 48),
        }.items()
        for column, count in zip("nsvfqox", counts, strict=False)
    },
    30762.36,
    1,
    38,
)  # fmt: skip


def test_every_element_lands_in_its_column():
    assert "".join(line_report(EVERY, "q", False)[1:]) == (
        "   q   100  84 240 252  24   21  60  63  18  12  30  89.81  62.68  17.95  19.44 12.813\n"
    )
    assert "".join(line_report(EVERY, "q", True)[1:]) == (
        "   q    32  46  64 182 192   8  14  20  58  60   9  15   21  60  63   8  10  12  30"
        "  89.81  62.68  17.95  19.44  16.47  10.94 30762.36\n"
    )
    assert "".join(shutdown_report(EVERY, "q", False)[1:]) == (
        "   q   15    9   10   11     7.64  10.56   7.69   6.71   38 seconds 142 0 117 149 181\n"
    )
    assert "".join(shutdown_report(EVERY, "q", True)[1:]) == (
        "   q    7    8    9   10   11     6.28  12.28   9.41   7.69   6.71   38 seconds 57 85 117 149 181\n"
    )


def test_condensed_matrix():
    matrix = matrix_report(EVERY, "q", ("atr", "tst"), True, condensed=True)[0]
    assert "  S  |   46   14   15   10\n" in matrix
    assert " F+Q |  182   58   60   30\n O+X |  192   60   63\n" in matrix
    assert "      n+f+q    v  o+x\n     ________________\n" in matrix_report(EVERY, "q", ("a", "b"), False, True)[0]


def test_figures_without_beats_are_dashes():
    nothing = Comparison({}, math.nan, 0, 0)
    assert line_report(nothing, "longname", True)[2] == "      -      -      -      -      -      -     -\n"
    text, missed = matrix_report(nothing, "q", ("atr", "tst"), True)
    assert "           QRS sensitivity:      -  (0/0)\n" in text and text.endswith("RMS RR interval error:      -\n")
    assert "      F missed in shutdown:      -  (0/0)\n" in missed


def test_aggregates_of_missed_beats_and_of_nothing():
    head = shutdown_report(EVERY, "q", False)[0]
    lines = (
        " 100   15    9   10   11     7.64  10.56   7.69   6.71   38 seconds 142 0 117 149 181\n"
        " 101    5    0    0    1     1.64   0.56      -   5.71    3 seconds 1400 0 0 30 1\n"
    )
    assert sumstats(head + lines).splitlines()[-5:] == [
        "Sum     20    9   10   12                                 41 seconds",
        "Gross                       1.26   0.65   3.85   2.79",
        "Average                     4.03   5.46   7.69   3.36",
        "",
        "Summary of results from 2 records",
    ]
    empty = "Average                        -      -      -      -\n\nSummary of results from 0 records\n"
    assert sumstats(head).endswith(empty)


@pytest.mark.parametrize("text", ["", "garbage\n", line_report(EVERY, "q", False)[0] + "\n"])
def test_what_is_no_line_report_is_refused(text):
    with pytest.raises(DataError):
        sumstats(text, "a.txt")


HEADER = Header(360.0, 650000, 45000.0)


@pytest.mark.parametrize(
    ("text", "sample"),
    [("0", 0), ("300", 108000), ("5:0", 108000), ("1:0:0", 1296000), (".15", 54), ("1:0.5", 21780), ("s77", 77),
     ("e", 650000), ("i", 0), ("[12:30:10]", 3600), ("[12:30:10 01/01/2000]", 3600)],
)  # fmt: skip
def test_times_as_the_reference_program_takes_them(text, sample):
    assert parse_time(text, HEADER) == sample


@pytest.mark.parametrize("text", ["", "x", "1:2:3:4", "s", "s-1", "-5", "1e3", "nan", ":", "."])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError):
        parse_time(text, HEADER)


def _record(folder, positions=(500, 800, 110000), samples=650000):
    (folder / "q.hea").write_text(f"q 1 360 {samples}\nq.dat 212 200 11 1024 0 0 0 MLII\n")
    beats = device_annotations(positions, [0, 1, 2], ["N", "SVEB", "V"])
    write_annotations(folder, "q", "atr", beats)
    write_annotations(folder, "q", "dev", beats)
    return beats


def test_device_annotations_survive_the_file(tmp_path):
    beats = _record(tmp_path, positions=[800, 500, 800 + 2 * 65536])
    assert read_annotations(tmp_path / "q.dev", 360.0) == beats
    assert [a.beat_class for a in beats] == ["S", "N", "V"]
    compared = compare_record([tmp_path], "q", ("atr", "dev"), start="0")
    assert dict(compared.counts) == {"Nn": 1, "Ss": 1, "Vv": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        ["-r", "nosuch", "-a", "atr", "dev"],
        ["-r", "q", "-a", "atr", "nosuch"],
        ["-r", "q", "-a", "atr", "dev", "-f", "10:0", "-t", "5:0"],
        ["-r", "q", "-a", "atr", "dev", "-f", "yesterday"],
        ["-r", "q", "-a", "atr", "dev", "-s", "-", "-S", "-"],
    ],
)
def test_user_errors_are_errors_of_the_tree(tmp_path, arguments):
    _record(tmp_path)
    result = CliRunner().invoke(app, ["ec57", "--db", str(tmp_path), *arguments])
    assert isinstance(result.exception, (DataError, UsageError)), result.output


def test_a_record_shorter_than_the_learning_period_says_so(tmp_path):
    _record(tmp_path, samples=90000)
    with pytest.raises(DataError, match="nothing to compare"):
        compare_record([tmp_path], "q", ("atr", "dev"))


def test_a_file_gets_the_matrix_and_the_output_the_shutdown(tmp_path):
    _record(tmp_path)
    target = tmp_path / "report.txt"
    arguments = ["ec57", "--db", str(tmp_path), "-r", "q", "-a", "atr", "dev", "-s", str(target)]
    result = CliRunner().invoke(app, arguments)
    assert result.output.startswith("\n  Beats missed in shutdown:")
    assert target.read_text().startswith("Beat-by-beat comparison results for record q\n")
    CliRunner().invoke(app, arguments)
    assert target.read_text().count("QRS sensitivity") == 2


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_truncated_annotation_file_is_an_error_or_shorter(tmp_path, cut):
    _record(tmp_path, positions=[800, 500, 800 + 2 * 65536])
    path = tmp_path / "q.atr"
    path.write_bytes(path.read_bytes()[:-cut])
    try:
        assert len(read_annotations(path, 360.0)) <= 3
    except DataError as error:
        assert "q.atr" in str(error)
