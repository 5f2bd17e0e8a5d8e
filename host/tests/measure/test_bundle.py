"""A bundle holds the whole evidence of a run, always in the same bytes, and a change of any of them is found."""

import io
import json
import zipfile

import pytest
from click.testing import CliRunner

from ecgdeploy.cli.bundle import bundle as command
from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.reports import bundle

pytest.importorskip("cyclonedx", reason="pip install 'ecgdeploy[evidence]' enables this test")
GATES = 'schema = 1\n[answers]\nbit_exact = true\nleast = { accuracy = 0.5 }\n[memory]\nmax_flash = 10\n'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A real run of a few synthetic windows on the emulated board, its gates declared with it."""
    from ecgdeploy.measure.session import Choice
    from ecgdeploy.measure.session import run as measured

    folder = tmp_path_factory.mktemp("bundle")
    (folder / "gates.toml").write_text(GATES)
    choice = Choice(
        task="mitbih-beats-synthetic", emulate=True, limit=1, output=folder / "run", gates=folder / "gates.toml"
    )
    measured(choice, lambda *_: None)
    return folder / "run"


@pytest.fixture
def packed(run, tmp_path):
    path = tmp_path / "run.zip"
    done = CliRunner().invoke(command, [str(run), "--output", str(path)])
    assert done.exit_code == 0, done.output
    return path


def test_a_bundle_has_report_results_manifest_sbom_and_verdicts(packed):
    names = bundle.check(packed)
    wanted = {"result.json", "results.jsonl", "link.json", "build.json", "report.html", "sbom.cdx.json", "gates.json"}
    assert wanted <= set(names)
    with zipfile.ZipFile(packed) as book:
        result, gates, sbom = (json.loads(book.read(n)) for n in ("result.json", "gates.json", "sbom.cdx.json"))
    assert gates["declared"] == "before the run" and gates["passed"] is False
    misses = {v["gate"] for v in gates["verdicts"] if not v["passed"]}
    assert {"flash, bytes", "data"} <= misses and "bit-exact" not in misses
    facts = result["provenance"]
    assert sbom["metadata"]["component"]["hashes"][0]["content"] == facts["firmware_sha256"]
    by_name = {c["name"]: c for c in sbom["components"]}
    assert by_name[facts["model"]]["hashes"][0]["content"] == facts["model_sha256"]
    assert by_name["numpy"]["version"] == facts["versions"]["numpy"]


def test_two_packings_are_the_same_bytes(run, packed):
    from ecgdeploy.measure.compare import read_result
    from ecgdeploy.measure.gates import read_gates

    again = bundle.pack(run, read_result(run), read_gates(run.parent / "gates.toml"))
    assert again == packed.read_bytes()


def test_a_flipped_bit_anywhere_in_the_packed_data_is_found(packed):
    whole = packed.read_bytes()
    with zipfile.ZipFile(packed) as book:
        starts = [entry.header_offset + 30 + len(entry.filename) + 2 for entry in book.infolist()]
    for place in starts:
        packed.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(DataError):
            bundle.check(packed)
    packed.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="no readable bundle"):
        bundle.check(packed)


@pytest.mark.parametrize("change", ["content", "missing", "added"])
def test_a_changed_bundle_names_the_file(packed, change):
    with zipfile.ZipFile(packed) as book:
        files = {name: book.read(name) for name in book.namelist()}
    if change == "content":
        files["result.json"] = files["result.json"].replace(b"static", b"STATIC")
    elif change == "missing":
        del files["results.jsonl"]
    else:
        files["more.txt"] = b"x"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as book:
        for name, data in files.items():
            book.writestr(name, data)
    packed.write_bytes(buffer.getvalue())
    named = {"content": "result.json is damaged", "missing": "results.jsonl is missing", "added": "more.txt is not in"}
    with pytest.raises(DataError, match=named[change]):
        bundle.check(packed)


def test_a_run_does_not_go_on_under_other_gates(run):
    from ecgdeploy.measure.session import Choice
    from ecgdeploy.measure.session import run as measured

    choice = Choice(task="mitbih-beats-synthetic", emulate=True, limit=1, output=run, resume=True)
    with pytest.raises(UsageError):
        measured(choice, lambda *_: None)


def test_the_file_its_size_and_its_hash_are_printed_as_json(run, tmp_path):
    import hashlib

    path = tmp_path / "run.zip"
    done = CliRunner().invoke(command, [str(run), "--output", str(path), "--json"])
    printed = json.loads(done.stdout)
    content = path.read_bytes()
    assert printed == {"bundle": str(path), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert json.loads(CliRunner().invoke(command, [str(path), "--verify", "--json"]).stdout)["intact"] is True
