"""The first project file: filled in from the recordings, the model and what was wished for."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgdeploy.boards import load_board
from ecgdeploy.ecg.own import FILE
from ecgdeploy.errors import DataError, ModelError, UsageError
from ecgdeploy.provenance import write_atomic
from ecgdeploy.resources import assets

GATES = "gates.toml"
ADAPTER = "adapter.py"
#: what a source usually gives
KIND = {"wfdb": "beats", "csv": "records", "python": "records", "csv-rows": "windows", "numpy": "windows"}
#: AAMI's N, S and V as WFDB symbols (`ecg.aami`); paced, fused and unknown beats are of no class
AAMI = {"N": ("N", "L", "R", "B", "e", "j", "n"), "S": ("A", "a", "J", "S"), "V": ("V", "E", "r")}
AAMI_IGNORED = ("F", "/", "f", "Q", "?")


@dataclass(frozen=True)
class Wish:
    """What was said on the command line; None is found out or left to fill in."""

    source: str = "wfdb"
    model: str | None = None
    data: str | None = None
    kind: str | None = None
    classes: tuple[str, ...] | None = None
    leads: tuple[str, ...] | None = None
    rate: float | None = None
    samples: int | None = None
    board: str = "nano33ble"


@dataclass(frozen=True)
class Begun:
    """Files that were written, what is to be looked at, and the next command."""

    written: tuple[Path, ...]
    remarks: tuple[str, ...]
    following: str


def begin(folder: Path, wish: Wish, force: bool = False) -> Begun:
    """Write ``ecgdeploy.toml``, ``gates.toml`` and, for source python, ``adapter.py``.

    Raises
    ------
    UsageError
        A project file is there already; unknown board.
    DataError, ModelError
        The recordings or the model are there but cannot be read.
    """
    path = folder / FILE
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", "edit it, or init --force replaces it")
    load_board(wish.board)
    model = wish.model or _model_here(folder)
    _refuse_other_formats(folder / model)
    remarks: list[str] = []
    shape = _model_shape(folder / model)
    found = _look(folder, wish)
    kind = wish.kind or KIND[wish.source]
    symbols = kind == "beats" and wish.source == "wfdb"
    units, end = _model_outputs(folder / model)
    multilabel = end == "sigmoid"
    classes = wish.classes or found.get("classes") or (("N", "S", "V") if symbols else ())
    if not classes:
        classes = tuple(f"class{number + 1}" for number in range(units or 2))
    if units is not None and units != len(classes):
        remarks.append(f"{model} has {units} outputs, {len(classes)} classes are named: {', '.join(classes)}")
    labels = {name: AAMI[name] for name in classes if name in AAMI} if symbols else {}
    rate = wish.rate or found.get("rate") or 360.0
    samples = wish.samples or shape[0] or found.get("samples") or 256
    leads = wish.leads or _first(found.get("leads", ()), shape[1])
    if not leads:
        leads = tuple(f"lead {number + 1}" for number in range(shape[1] or 1))
        leads = ("II",) if len(leads) == 1 else leads
    unknowns = {
        "classes": wish.classes or found.get("classes") or symbols,
        "rate": wish.rate or found.get("rate"),
        "leads": wish.leads or found.get("leads"),
        "samples": wish.samples or shape[0] or found.get("samples"),
    }
    guessed = [name for name, known in unknowns.items() if not known]
    if guessed:
        remarks.append(f"could not be found out, look at it in {FILE}: {', '.join(guessed)}")
    values = {
        "name": _name(folder),
        "model": model,
        "source": wish.source,
        "data": wish.data or "data",
        "kind": kind,
        "classes": classes,
        "multilabel": multilabel,
        "labels": labels,
        "ignore": tuple(symbol for name, called in AAMI.items() if name not in labels for symbol in called)
        + AAMI_IGNORED if labels else (),
        "leads": leads,
        "rate": rate,
        "samples": samples,
        "board": wish.board,
        "tflite": model.endswith(".tflite"),
        "label_file": found.get("label_file", "labels.csv"),
        "table": found.get("table"),
        "synthetic": found.get("synthetic", False),
    }
    written = [path]
    write_atomic(path, _render("ecgdeploy.toml.j2", values))
    for name, template in ((GATES, "gates.toml.j2"), (ADAPTER, "adapter.py.j2")):
        if (name == GATES or wish.source == "python") and not (folder / name).exists():
            write_atomic(folder / name, _render(template, values))
            written.append(folder / name)
    if not (folder / model).is_file():
        remarks.append(f"the model {model} is not here yet")
    if not (folder / str(values["data"])).is_dir():
        remarks.append(f"the folder {values['data']} is not here yet")
    return Begun(tuple(written), tuple(remarks), "ecgdeploy build" if values["tflite"] else "ecgdeploy train")


def _name(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._")
    return name or "my-ecg"


def _refuse_other_formats(path: Path) -> None:
    """A model that is neither .keras nor .tflite, with the line that makes it one.

    Raises
    ------
    ModelError
    """
    if path.suffix in (".keras", ".tflite") and not path.is_dir():
        return
    if path.is_dir():
        raise ModelError(f"{path.name} is a folder, no .keras or .tflite file",
                         "of a SavedModel, tf.lite.TFLiteConverter.from_saved_model makes an int8 .tflite")
    if path.suffix in (".h5", ".hdf5"):
        raise ModelError(f"{path.name} is a model in HDF5, no .keras or .tflite file",
                         f'keras.models.load_model("{path.name}").save("model.keras") makes one')
    raise ModelError(f"{path.name} is no .keras or .tflite file", 'model.save("NAME.keras") of Keras 3 makes one')


def _model_here(folder: Path) -> str:
    found = sorted(path.name for suffix in ("keras", "tflite") for path in folder.glob(f"*.{suffix}"))
    return found[0] if len(found) == 1 else "model.keras"


def _first(leads: tuple[str, ...], count: int | None) -> tuple[str, ...]:
    """As many of the recordings' leads as the model takes."""
    return tuple(leads[: count or 1])


def _model_shape(path: Path) -> tuple[int | None, int | None]:
    """(samples, leads) of a model's input, where its file says so; TensorFlow is not needed."""
    if not path.is_file():
        return None, None
    if path.suffix == ".tflite":
        from ecgdeploy.graph import read_tflite

        graph = read_tflite(path, supported=False)
        return _extents(tuple(graph.tensors[graph.inputs[0]].shape)[1:])
    for layer in _keras_layers(path):
        shape = layer.get("config", {}).get("batch_shape")
        if layer.get("class_name") == "InputLayer" and shape:
            return _extents(tuple(shape)[1:])
    return None, None


def _model_outputs(path: Path) -> tuple[int | None, str | None]:
    """Width and activation of a model's last layer, where its file says so."""
    if not path.is_file():
        return None, None
    if path.suffix == ".tflite":
        from ecgdeploy.graph import read_tflite

        graph = read_tflite(path, supported=False)
        last = {"LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}.get(graph.operators[-1].kind)
        return int(graph.tensors[graph.outputs[0]].shape[-1]), last
    layers = _keras_layers(path)
    last_layer = layers[-1].get("config", {}) if layers else {}
    units, end = last_layer.get("units"), last_layer.get("activation")
    return (units if isinstance(units, int) else None), (end if isinstance(end, str) else None)


def _keras_layers(path: Path) -> list[dict[str, Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read("config.json"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise ModelError(f"{path.name} is no .keras file", "model.save(\"NAME.keras\") of Keras 3 makes one") from None
    found = content.get("config", {}).get("layers", ())
    return [layer for layer in found if isinstance(layer, dict)]


def _extents(shape: tuple[int | None, ...]) -> tuple[int | None, int | None]:
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) == 1:
        return shape[0], 1
    return (shape[0], shape[1]) if len(shape) == 2 else (None, None)


def _look(folder: Path, wish: Wish) -> Mapping[str, Any]:
    """What the recordings say of themselves: leads, rate, labels."""
    data = folder / (wish.data or "data")
    if not data.is_dir():
        return {}
    if wish.source == "wfdb":
        return _look_wfdb(data)
    if wish.source in ("csv", "csv-rows"):
        return _look_csv(data, wish.source)
    if wish.source == "numpy":
        return _look_numpy(data)
    return {}


def _look_wfdb(data: Path) -> Mapping[str, Any]:
    from ecgdeploy.ecg.record import canonical_lead
    from ecgdeploy.ecg.wfdb_header import read_header

    headers = sorted(data.rglob("*.hea"))
    if not headers:
        raise DataError(f"{data}: no WFDB headers (*.hea)", "give another --data, or --source")
    first = read_header(headers[0])
    every = [[canonical_lead(line.lead) for line in read_header(path).signals] for path in headers]
    leads = [lead for lead in every[0] if all(lead in others for others in every)] or every[0]
    tables = sorted(data.glob("*.csv"))
    synthetic = any("synthetic" in comment.lower() for comment in first.comments)
    return {"leads": tuple(leads), "rate": first.rate, "synthetic": synthetic} | (
        {"label_file": tables[0].name} if len(tables) == 1 else {}
    )


def _look_csv(data: Path, source: str) -> Mapping[str, Any]:
    import csv

    from ecgdeploy.ecg.own.labels import delimiter

    tables = sorted(data.rglob("*.csv"))
    if not tables:
        raise DataError(f"{data}: no CSV files", "give another --data, or --source")
    if source == "csv-rows":
        return {"table": tables[0].name}
    recordings = [path for path in tables if path.name != "labels.csv"]
    if not recordings:
        raise DataError(f"{data}: no recordings beside labels.csv", "one CSV file a record, a column a lead")
    with recordings[0].open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        names = tuple(name.strip() for name in next(csv.reader(handle, delimiter=delimiter(handle)), []))
    return {"leads": names}


def _look_numpy(data: Path) -> Mapping[str, Any]:
    import numpy as np

    files = sorted(data.glob("*.npz"))
    if not files:
        return {}
    found: dict[str, Any] = {"table": files[0].name}
    try:
        with np.load(files[0], allow_pickle=False) as arrays:
            if "x" in arrays.files:
                found["samples"] = arrays["x"].shape[1]
            if "y" in arrays.files and arrays["y"].ndim == 1:
                from ecgdeploy.ecg.own.arrays import label_text

                labels = sorted({label_text(value) for value in arrays["y"].tolist()})
                if len(labels) <= 30:
                    found["classes"] = tuple(labels)
    except (ValueError, OSError, IndexError) as error:
        text = " ".join(str(error).split())[:80]
        raise DataError(f"{files[0].name}: not a NumPy file: {text}", "numpy.savez") from None
    return found


def _render(template: str, values: Mapping[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(assets() / "templates" / "project"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["toml"] = lambda value: json.dumps(list(value) if isinstance(value, tuple) else value)
    return environment.get_template(template).render(**values)
