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
from ecgdeploy.errors import ModelError, UsageError
from ecgdeploy.provenance import write_atomic
from ecgdeploy.resources import assets
from ecgdeploy.workspace.look import Found, Labels, look

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
    units, end = _model_outputs(folder / model)
    found = look(wish.source, folder / (wish.data or "data"), folder)
    kind = wish.kind or _kind(wish.source, found)
    known = _known_classes(found, kind, units)
    classes = wish.classes or known or tuple(f"class{number + 1}" for number in range(units or 2))
    negative: tuple[str, ...] = ()
    if units == 1 and len(classes) == 2:  # a yes/no model: the second is what it tells
        negative, classes = classes[:1], classes[1:]
    multilabel = end == "sigmoid" or len(classes) == 1
    labels = {name: AAMI[name] for name in classes if name in AAMI} if kind == "beats" and found.symbols else {}
    if units is not None and units != len(classes):
        remarks.append(f"{model} has {units} outputs, {len(classes)} classes are named: {', '.join(classes)}")
    activation = ("sigmoid" if multilabel else "softmax") if end == "linear" and model.endswith(".keras") else None
    if activation:
        remarks.append(f"{model} ends in logits: activation = \"{activation}\" puts one behind it")
    rate = wish.rate or found.rate or 360.0
    whole = found.samples if kind != "beats" else None
    samples = wish.samples or shape[0] or whole or 256
    leads = wish.leads or found.leads[: shape[1] or 1]
    if not leads:
        leads = tuple(f"lead {number + 1}" for number in range(shape[1] or 1))
        leads = ("II",) if len(leads) == 1 else leads
    if shape[1] is not None and shape[1] != len(leads):
        remarks.append(f"{model} takes {shape[1]} leads, {len(leads)} are named: {', '.join(leads)}")
    unknowns = {
        "classes": wish.classes or known,
        "rate": wish.rate or found.rate,
        "leads": wish.leads or found.leads,
        "samples": wish.samples or shape[0] or whole,
    }
    if found.unit is None and found.likely_unit != "mV":
        remarks.append(f"samples up to {found.largest:,.0f}: data.unit = \"{found.likely_unit}\" is a guess")
    guessed = [name for name, value in unknowns.items() if not value]
    if guessed:
        remarks.append(f"could not be found out, look at it in {FILE}: {', '.join(guessed)}")
    if kind == "records" and not wish.rate and found.samples and found.rate and samples < found.samples:
        remarks.append(
            f"{samples} samples are the first {samples / rate:g} s of records of {found.samples / found.rate:g} s; "
            "with a lower task.rate they would be more of them"
        )
    values = {
        "name": _name(folder),
        "model": model,
        "activation": activation,
        "source": wish.source,
        "data": wish.data or "data",
        "kind": kind,
        "annotator": found.annotator or "atr",
        "classes": classes,
        "multilabel": multilabel,
        "labels": labels,
        "ignore": negative or _ignored(labels, classes, found.symbols if kind == "beats" else ()),
        "negative": bool(negative),
        "leads": leads,
        "data_leads": found.leads if found.columns else (),
        "columns": found.columns,
        "rate": rate,
        "data_rate": found.rate or rate,
        "unit": found.likely_unit,
        "samples": samples,
        "board": wish.board,
        "synthetic": found.synthetic,
        "tflite": model.endswith(".tflite"),
        "table": found.table,
        "keys": found.keys,
        "label_table": found.labels or Labels("labels.csv"),
        "beat_table": found.annotator is None and found.labels is not None and found.labels.sample is not None,
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


def _kind(source: str, found: Found) -> str:
    """What usually gets a class, or what the recordings have labels of: a table of records, or beats."""
    if source == "wfdb" and found.annotator is None and found.labels is not None and found.labels.sample is None:
        return "records"
    if source == "python" and found.symbols and not found.classes:
        return "beats"
    return KIND[source]


def _known_classes(found: Found, kind: str, units: int | None) -> tuple[str, ...]:
    """Classes of the data: of a label table or arrays, or AAMI's where beats are annotated by symbols."""
    if kind != "beats" or not found.symbols:
        named = found.classes or (found.labels.found if found.labels else ())
        return named or (("N", "S", "V") if kind == "beats" else ())
    present = tuple(name for name, called in AAMI.items() if set(called) & set(found.symbols))
    if units == len(found.symbols) != len(present):
        return tuple(sorted(found.symbols))
    return present if units == len(present) else tuple(AAMI)


def _ignored(
    labels: dict[str, tuple[str, ...]], classes: tuple[str, ...], symbols: tuple[str, ...]
) -> tuple[str, ...]:
    """Beats of no class: AAMI's others, and what else was seen."""
    if not symbols:
        return ()
    named = {symbol for called in labels.values() for symbol in called} | set(classes)
    others = [symbol for called in AAMI.values() for symbol in called] + list(AAMI_IGNORED) if labels else []
    return tuple(symbol for symbol in dict.fromkeys((*others, *symbols)) if symbol not in named)


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
    units, end = None, None
    for layer in reversed(_keras_layers(path)):
        config, kind = layer.get("config", {}), layer.get("class_name")
        if end is None:
            end = {"Softmax": "softmax"}.get(str(kind)) or config.get("activation")
        if isinstance(config.get("units"), int):
            units = config["units"]
            break
        if kind not in ("Softmax", "Activation"):
            break
    return units, end if isinstance(end, str) else None


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
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if len(shape) != 2:
        return None, None
    samples, leads = shape
    if samples is not None and leads is not None and samples < leads:  # leads come first
        samples, leads = leads, samples
    return samples, leads


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
