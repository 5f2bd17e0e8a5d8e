"""Recordings of one's own: each source becomes the same task, and each mistake is one line."""

import json

import numpy as np
import pytest

from ecgdeploy.ecg import own, views
from ecgdeploy.ecg.own.sample import write_record, write_sample
from ecgdeploy.ecg.record import Annotations, Record
from ecgdeploy.ecg.tasks import load_task
from ecgdeploy.errors import DataError, EcgDeployError, UsageError

SAMPLES = 64


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def project(folder, **tables):
    """A project file with tables given as dicts."""
    lines = ['schema = 1', 'name = "mine"']
    for table, content in tables.items():
        lines += [f"[{table}]", *(f"{key} = {toml(value)}" for key, value in content.items())]
    (folder / "ecgdeploy.toml").write_text("\n".join(lines) + "\n")
    return folder / "ecgdeploy.toml"


def task_table(kind, **changes):
    return {"kind": kind, "classes": ["a", "b"], "leads": ["II"], "rate": 100.0, "samples": SAMPLES} | changes


def recording(number, seconds=3.0, rate=100.0, leads=("II", "V1")):
    rng = np.random.default_rng(number)
    return rng.normal(0, 0.3, (round(seconds * rate), len(leads))).astype(np.float32)


def record(number, **changes):
    given = {"name": f"r{number:02d}", "signal": recording(number), "leads": ("II", "V1"), "rate": 100.0,
             "patient": f"p{number // 2}", "source": "test", "licence": ""}
    return Record(**given | changes)


def wfdb_folder(folder, count=10):
    """Records r00 ... with beats N and V."""
    folder.mkdir()
    for number in range(count):
        beats = Annotations.at([20, 80, 140, 200, 260], ["N", "V", "N", "+", "N"])
        write_record(folder, record(number, annotations=beats))
    return folder


def csv_folder(folder, count=10, header="record,label,who\n"):
    folder.mkdir()
    lines = [header]
    for number in range(count):
        values = "\n".join(",".join(f"{v:.5f}" for v in row) for row in recording(number))
        (folder / f"r{number:02d}.csv").write_text(f"II,V1\n{values}\n")
        lines.append(f"r{number:02d},{'ab'[number % 2]},p{number // 2}\n")
    (folder / "labels.csv").write_text("".join(lines))
    return folder


def arrays(folder, **changes):
    folder.mkdir(exist_ok=True)
    x = np.random.default_rng(0).normal(0, 0.3, (60, SAMPLES, 1))
    given = {"x": x, "y": np.arange(60) % 2, "record": np.repeat(np.arange(12), 5)} | changes
    np.savez(folder / "w.npz", **{name: value for name, value in given.items() if value is not None})


BEATS = {"source": "wfdb"}
BEAT_TASK = task_table("beats", labels={"a": ["N"], "b": ["V"]})
CSV = {"source": "csv", "rate": 100.0, "labels": {"file": "labels.csv"}}
NUMPY = {"source": "numpy", "file": "w.npz"}


def refused(path, *words):
    """The task refuses with one line that has all the words; its exit code is 2."""
    with pytest.raises(EcgDeployError) as caught:
        load_task(str(path)).train()
    line = f"{caught.value.message} {caught.value.hint}"
    assert caught.value.exit_code == 2
    assert "\n" not in line
    for word in words:
        assert word in line
    return line


def parts(task):
    return [set(map(str, view.record_ids)) for view in (task.train(), task.validation(), task.test())]


def test_beats_of_a_wfdb_folder_are_cut_where_the_annotations_are(tmp_path):
    wfdb_folder(tmp_path / "data")
    task = load_task(str(project(tmp_path, data=BEATS, task=BEAT_TASK, preprocessing={"standardize": "none"})))
    view = task.test()
    assert task.input_shape == (SAMPLES, 1)
    assert set(view.positions.tolist()) == {20, 80, 140, 260}
    first = recording(int(str(view.record_ids[1])[1:]))[80 - 32 : 80 + 32, 0]
    np.testing.assert_allclose(view.inputs[1, :, 0], first, atol=0.005)
    assert view.targets[:4].tolist() == [0, 1, 0, 0]


def test_every_source_gives_the_same_windows(tmp_path):
    """The same records as WFDB with a table, as CSV files and from a Python file."""
    seen = []
    data = csv_folder(tmp_path / "data")
    for number in range(10):
        write_record(data, record(number))
    (tmp_path / "adapter.py").write_text(
        "import numpy as np\n"
        "def records(folder):\n"
        "    for n in range(10):\n"
        "        table = np.loadtxt(folder / f'r{n:02d}.csv', delimiter=',', skiprows=1)\n"
        "        yield {'name': f'r{n:02d}', 'signal': table, 'leads': ['II', 'V1'], 'rate': 100,\n"
        "               'labels': ['ab'[n % 2]], 'patient': f'p{n // 2}'}\n"
    )
    labels = {"file": "labels.csv", "patient": "who"}
    settings = {"standardize": "none", "centre": True}
    for source in ({"source": "wfdb", "labels": labels}, CSV | {"labels": labels}, {"source": "python"}):
        path = project(tmp_path, data=source, task=task_table("windows"), preprocessing=settings)
        view = load_task(str(path)).train()
        seen.append((view.inputs, view.targets, view.record_ids))
    for inputs, targets, records in seen[1:]:
        np.testing.assert_allclose(inputs, seen[0][0], atol=0.005)
        np.testing.assert_array_equal(targets, seen[0][1])
        np.testing.assert_array_equal(records, seen[0][2])
    assert len(seen[0][0]) == 4 * len(set(map(str, seen[0][2])))


def test_arrays_and_rows_of_a_table_give_the_same_windows(tmp_path):
    arrays(tmp_path / "data")
    stored = np.load(tmp_path / "data" / "w.npz")
    head = ",".join([*(f"s{i}" for i in range(SAMPLES)), "record", "label"])
    rows = [",".join([*map(repr, x.tolist()), str(r), str(y)])
            for x, r, y in zip(stored["x"][:, :, 0], stored["record"], stored["y"], strict=True)]
    (tmp_path / "data" / "rows.csv").write_text("\n".join([head, *rows]) + "\n")
    table = task_table("windows")
    one = load_task(str(project(tmp_path, data=NUMPY, task=table))).train()
    two = load_task(str(project(tmp_path, data={"source": "csv-rows", "file": "rows.csv"}, task=table))).train()
    np.testing.assert_array_equal(one.inputs, two.inputs)
    np.testing.assert_array_equal(one.targets, two.targets)


def test_no_record_and_no_person_is_in_two_parts(tmp_path):
    wfdb_folder(tmp_path / "data", 20)
    task = load_task(str(project(tmp_path, data=BEATS, task=BEAT_TASK, split={"by": "patient"})))
    train, validation, test = parts(task)
    assert not train & validation and not train & test and not validation & test

    def persons(names):
        return {int(name[1:]) // 2 for name in names}

    assert not persons(train) & persons(test) and not persons(train) & persons(validation)


def test_calibration_is_drawn_from_training_records_and_nothing_else_calibrates(tmp_path):
    arrays(tmp_path / "data")
    task = load_task(str(project(tmp_path, data=NUMPY, task=task_table("windows"))))
    train, _, test = parts(task)
    drawn = task.calibration(16)
    assert set(map(str, drawn.record_ids)) <= train
    assert not set(map(str, drawn.record_ids)) & test
    assert np.bincount(drawn.targets).tolist() == [8, 8]
    with pytest.raises(DataError, match="calibration"):
        views.for_calibration(task.test())


def test_standardization_knows_the_training_records_only(tmp_path):
    arrays(tmp_path / "data")
    table = task_table("windows")
    task = load_task(str(project(tmp_path, data=NUMPY, task=table)))
    assert abs(float(task.train().inputs.mean())) < 1e-5
    before = task.standardize
    test = parts(task)[2]
    stored = dict(np.load(tmp_path / "data" / "w.npz"))
    stored["x"][np.isin(stored["record"].astype(str), list(test))] += 100
    arrays(tmp_path / "data", **stored)
    assert load_task(str(tmp_path / "ecgdeploy.toml")).standardize == before


def test_fixed_statistics_of_a_model_trained_elsewhere_are_taken_as_they_are(tmp_path):
    arrays(tmp_path / "data")
    given = {"standardize": {"mean": [0.1], "scale": [0.5]}}
    task = load_task(str(project(tmp_path, data=NUMPY, task=task_table("windows"), preprocessing=given)))
    raw = np.load(tmp_path / "data" / "w.npz")
    mine = np.isin(raw["record"].astype(str), list(parts(task)[2]))
    wanted = (raw["x"][mine].astype(np.float32) - np.float32(0.1)) / np.float32(0.5)
    np.testing.assert_array_equal(np.sort(task.test().inputs.ravel()), np.sort(wanted.ravel()))


def test_many_labels_a_record(tmp_path):
    data = csv_folder(tmp_path / "data", header="record,label,who\n")
    lines = ["record,label", *(f"r{n:02d},{['', 'a', 'b', 'a;b'][n % 4]}" for n in range(10))]
    (data / "labels.csv").write_text("\n".join(lines) + "\n")
    source = CSV | {"labels": {"file": "labels.csv", "separator": ";"}}
    task = load_task(str(project(tmp_path, data=source, task=task_table("records", multilabel=True))))
    targets = np.concatenate([task.train().targets, task.validation().targets, task.test().targets])
    assert targets.sum(axis=0).tolist() == [5, 4]
    assert (targets.sum(axis=1) == 0).sum() == 3


def test_a_large_set_goes_through_shards_and_stays_the_same(tmp_path, monkeypatch):
    from dataclasses import replace

    monkeypatch.setenv("ECGDEPLOY_SHARDS", str(tmp_path / "shards"))
    arrays(tmp_path / "data")
    task = load_task(str(project(tmp_path, data=NUMPY, task=task_table("windows"))))
    small, large = task.train(), replace(task, in_memory_bytes=100).train()
    np.testing.assert_array_equal(small.inputs, np.asarray(large.inputs))
    np.testing.assert_array_equal(small.targets, large.targets)
    assert small.provenance == large.provenance


def test_synthetic_samples_are_called_synthetic_everywhere(tmp_path):
    said = write_sample(tmp_path / "data", synthetic=True)
    assert "SYNTHETIC" in said
    table = task_table("beats", classes=["N", "V"], leads=["MLII"], rate=360.0, ignore=["A"])
    task = load_task(str(project(tmp_path, data=BEATS, task=table)))
    assert task.synthetic and task.name == "mine-synthetic" and "SYNTHETIC" in task.test().source
    with pytest.raises(UsageError, match="not empty"):
        write_sample(tmp_path / "data")


def test_the_hash_of_a_task_changes_with_data_split_and_windows(tmp_path):
    arrays(tmp_path / "data")
    table = task_table("windows")
    hashes = [load_task(str(project(tmp_path, data=NUMPY, task=table))).sha256]
    hashes.append(load_task(str(project(tmp_path, data=NUMPY, task=table, split={"seed": 2}))).sha256)
    hashes.append(load_task(str(project(tmp_path, data=NUMPY, task=table | {"most_per_record": 2}))).sha256)
    stored = dict(np.load(tmp_path / "data" / "w.npz"))
    stored["y"][0] = 1 - stored["y"][0]
    arrays(tmp_path / "data", **stored)
    hashes.append(load_task(str(project(tmp_path, data=NUMPY, task=table))).sha256)
    assert len(set(hashes)) == 4


# one mistake each, in the file ...
def test_an_unknown_key_names_the_nearest_known_one(tmp_path):
    arrays(tmp_path / "data")
    refused(project(tmp_path, data=NUMPY | {"fodler": "x"}, task=task_table("windows")), "data.fodler", "data.folder")


@pytest.mark.parametrize(
    ("data", "task", "words"),
    [
        ({"source": "edf"}, task_table("windows"), ("data.source", "wfdb")),
        (NUMPY, {"kind": "windows"}, ("task.classes", "missing")),
        (NUMPY, task_table("beats"), ("numpy", "kind")),
        (NUMPY, task_table("windows", classes=["a", "a"]), ("twice",)),
        (NUMPY, task_table("windows", classes=["a"]), ("multilabel",)),
        (NUMPY, task_table("windows", labels={"c": ["1"]}), ("'c'", "no class")),
        (NUMPY, task_table("windows", leads=["II", "V1"]), ("1 leads", "2 named")),
        (NUMPY, task_table("windows", samples=65), ("64 samples", "65")),
        (NUMPY, task_table("windows", leads=["V1"]) | {}, ()),
        (NUMPY, task_table("windows", rate=-1), ("task.rate",)),
        (NUMPY | {"unit": "pV"}, task_table("windows"), ("data.unit", "mV")),
        (NUMPY | {"x": "signals"}, task_table("windows"), ("no array 'signals'", "x, y, record")),
        (NUMPY | {"record": "who"}, task_table("windows"), ("no array 'who'", "both train and test")),
        (NUMPY | {"file": "v.npz"}, task_table("windows"), ("no file", "v.npz")),
        (NUMPY | {"folder": "dta"}, task_table("windows"), ("no folder", "dta")),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, data, task, words):
    arrays(tmp_path / "data")
    if words:
        refused(project(tmp_path, data=data, task=task), *words)
    else:  # a lead's name alone is no mistake: arrays have none
        assert len(load_task(str(project(tmp_path, data=data, task=task))).train())


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"train": ["0", "1"], "validation": ["2"], "test": ["1", "3"]}, ("record 1", "train", "test")),
        ({"validation": ["2"], "test": ["2"]}, ("record 2", "validation", "test")),
        ({"validation": ["2"], "test": ["77"]}, ("no record 77",)),
        ({"validation": 0.6, "test": 0.6}, ("shares",)),
        ({"validation": ["2"], "test": 0.3}, ("list",)),
        ({"test": ["2"]}, ("validation",)),
        ({"by": "patient"}, ("record 0", "patient")),
    ],
)
def test_a_split_that_would_leak_or_cannot_be_is_one_line(tmp_path, split, words):
    arrays(tmp_path / "data")
    refused(project(tmp_path, data=NUMPY, task=task_table("windows"), split=split), *words)


def test_the_same_samples_under_two_names_do_not_train_and_test(tmp_path):
    data = csv_folder(tmp_path / "data")
    (data / "r09.csv").write_bytes((data / "r01.csv").read_bytes())
    listed = {"train": [f"r{n:02d}" for n in range(6)], "validation": ["r06", "r07"], "test": ["r08", "r09"]}
    refused(project(tmp_path, data=CSV, task=task_table("records"), split=listed), "r01", "r09", "same samples")


# ... and in the data
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y": np.arange(60) % 3}, ("record 0", "label '2'", "no class")),
        ({"y": np.zeros(60, int)}, ("class b",)),
        ({"y": np.zeros((60, 3), int)}, ("3 columns for 2 classes",)),
        ({"record": None}, ("no array 'record'",)),
        ({"record": np.zeros(59)}, ("60 windows", "59 of record")),
        ({"x": np.zeros((60, SAMPLES, 3))}, ("3 leads",)),
        ({"x": np.zeros((60, 2, 3, 4))}, ("(60, 2, 3, 4)",)),
        ({"record": np.zeros(60, int)}, ("no ", "records")),
    ],
)
def test_wrong_arrays_are_one_line(tmp_path, changes, words):
    arrays(tmp_path / "data", **changes)
    refused(project(tmp_path, data=NUMPY, task=task_table("windows")), *words)


def test_nan_is_named_with_its_place_and_can_be_filled(tmp_path):
    x = np.random.default_rng(0).normal(0, 0.3, (60, SAMPLES))
    x[:, 7] = np.nan
    arrays(tmp_path / "data", x=x)
    path = project(tmp_path, data=NUMPY, task=task_table("windows"))
    refused(path, "sample 7 of lead II", "no value", "fill-missing")
    filled = {"steps": [{"kind": "fill-missing"}]}
    view = load_task(str(project(tmp_path, data=NUMPY, task=task_table("windows"), preprocessing=filled))).train()
    assert np.isfinite(view.inputs).all()


@pytest.mark.parametrize(
    ("file", "find", "put", "words"),
    [
        ("labels.csv", "record,label", "name,label", ("labels.csv", "no column 'record'")),
        ("labels.csv", "r03,b", "r03,c", ("r03", "label 'c'")),
        ("labels.csv", "r03,b,p1\n", "", ("no line for record r03",)),
        ("labels.csv", "r03,b", "r02,b", ("r02 is there twice",)),
        ("r03.csv", "II,V1", "I1,V1", ("r03", "no lead II")),
        ("r03.csv", "II,V1\n", "II,V1\nabc,0\n", ("r03.csv, line 2", "'abc'")),
        ("r03.csv", "II,V1\n", "II,V1\n,0\n", ("r03", "sample 0 of lead II")),
        ("r03.csv", "II,V1\n", "II,V1\n0.1\n", ("r03.csv, line 2", "too few")),
    ],
)
def test_a_wrong_csv_is_one_line(tmp_path, file, find, put, words):
    data = csv_folder(tmp_path / "data")
    text = (data / file).read_text()
    assert find in text
    (data / file).write_text(text.replace(find, put, 1))
    task = load_or_refuse(project(tmp_path, data=CSV, task=task_table("records")))
    for word in words:
        assert word in task


def load_or_refuse(path):
    with pytest.raises(EcgDeployError) as caught:
        task = load_task(str(path))
        for view in (task.train, task.validation, task.test):
            view()
    assert caught.value.exit_code == 2
    return f"{caught.value.message} {caught.value.hint}"


def test_wfdb_mistakes_are_one_line(tmp_path):
    data = wfdb_folder(tmp_path / "data")
    refused(project(tmp_path, data=BEATS | {"annotations": "qrs"}, task=BEAT_TASK), "r00.qrs", "annotations")
    refused(project(tmp_path, data=BEATS, task=task_table("records")), "labels")
    refused(project(tmp_path, data=BEATS, task=BEAT_TASK | {"leads": ["V5"]}), "no lead V5", "II, V1")
    refused(project(tmp_path, data=BEATS, task=task_table("beats", labels={"a": ["N"], "b": ["S"]})), "label 'V'")
    refused(project(tmp_path, data=BEATS | {"records": "x*"}, task=BEAT_TASK), "no record is called x*")
    (data / "r03.dat").write_bytes(b"")
    assert "r03" in load_or_refuse(project(tmp_path, data=BEATS, task=BEAT_TASK))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x = 1\n", ("no function records",)),
        ("def records(folder):\n    return 1 / 0\n", ("line 2", "ZeroDivisionError")),
        ("def records(folder):\n    return []\n", ("no record",)),
        ("def records(folder):\n    return [3]\n", ("record 0 is a int",)),
        ("def records(folder):\n    return [{'name': 'x', 'sginal': 1}]\n", ("sginal", "signal")),
        ("def records(folder):\n    return [{'name': 'x', 'leads': ['II'], 'rate': 1}]\n", ("no signal",)),
        ("def records(folder)\n", ("SyntaxError",)),
    ],
)
def test_a_wrong_adapter_is_one_line(tmp_path, code, words):
    (tmp_path / "data").mkdir()
    (tmp_path / "adapter.py").write_text(code)
    refused(project(tmp_path, data={"source": "python"}, task=task_table("records")), "adapter.py", *words)


def test_an_adapter_file_in_toml_is_the_data_table(tmp_path):
    arrays(tmp_path / "data")
    (tmp_path / "mine.toml").write_text('source = "numpy"\nfile = "w.npz"\n')
    task = own.load(project(tmp_path, data={"adapter": "mine.toml"}, task=task_table("windows")))
    assert len(task.train())
    (tmp_path / "mine.toml").write_text('source = "numpy"\nfiel = "w.npz"\n')
    refused(tmp_path / "ecgdeploy.toml", "mine.toml", "fiel", "file")


@pytest.mark.parametrize("cells", [";", "\t"])
def test_semicolons_tabs_and_windows_lines_read_as_commas_do(cells, tmp_path):
    signals = {}
    for name, separator, end in (("comma", ",", "\n"), ("other", cells, "\r\n")):
        (tmp_path / name).mkdir()
        data = csv_folder(tmp_path / name / "data")
        for path in data.glob("*.csv"):
            text = path.read_text().replace(",", separator).replace("\n", end)
            path.write_bytes(b"\xef\xbb\xbf" + text.encode())
        train = load_task(str(project(tmp_path / name, data=CSV, task=task_table("windows")))).train()
        signals[name] = train.inputs, train.targets
    for first, second in zip(*signals.values(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_decimal_comma_is_named_and_so_is_a_folder_of_labels_alone(tmp_path):
    from ecgdeploy.workspace.begin import Wish, begin

    data = csv_folder(tmp_path / "data")
    for number, path in enumerate(sorted(data.glob("r*.csv"))):
        path.write_text(f"II;V1\n0,5;0,{number}\n")
    with pytest.raises(DataError, match="'0,5' is no number") as refused:
        load_task(str(project(tmp_path, data=CSV, task=task_table("windows")))).train()
    assert "point" in refused.value.hint
    for path in data.glob("r*.csv"):
        path.unlink()
    with pytest.raises(DataError, match=r"no recordings beside labels\.csv"):
        begin(tmp_path / "new", Wish(source="csv", data=str(data)))
