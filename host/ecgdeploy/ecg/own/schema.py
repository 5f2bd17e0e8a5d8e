"""The tables of a project file that describe recordings, classes, preprocessing and split, checked key by key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ecgdeploy.errors import UsageError, unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HINT = "docs/howto/own-data.md lists the keys"
P = TypeVar("P", bound=BaseModel)


class Part(BaseModel):
    """A table of the project file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelFile(Part):
    """A CSV file that says of which class a record is, or a beat (then with its sample)."""

    file: str = Field(description="in the data folder, or beside the project file")
    record: str = Field("record", description="column with the record's name")
    label: str = Field("label", description="column with the label")
    sample: str | None = Field(None, description="column with the beat's sample, for kind = \"beats\"")
    patient: str | None = Field(None, description="column with the person")
    part: str | None = Field(None, description="column that says train, validation or test")
    separator: str | None = Field(None, description="between several labels in one cell")


class DataPart(Part):
    """Where the recordings are and how they are read."""

    source: Literal["wfdb", "csv", "csv-rows", "numpy", "python"] = Field(
        description="wfdb: records in .hea/.dat; csv: one file a record; csv-rows: one window a row; "
        "numpy: arrays of windows; python: a function of your own"
    )
    folder: str = Field("data", description="beside the project file")
    name: str | None = Field(None, description="of the data set, for reports")
    synthetic: bool = Field(False, description="no person was recorded: every result says so")
    records: str | tuple[str, ...] = Field("*", description="wfdb, csv: a pattern of record names, or a list of them")
    annotations: str = Field("atr", description="wfdb: the annotator, for kind = \"beats\"")
    labels: LabelFile | None = Field(None, description="a CSV file of labels; wfdb and csv")
    rate: float | None = Field(None, gt=0, description="samples a second; where the files do not say")
    unit: Literal["mV", "uV", "V", "none"] = Field("mV", description="of CSV and NumPy samples")
    leads: tuple[str, ...] = Field((), description="names of the leads, where the files do not say")
    columns: tuple[str, ...] = Field((), description="csv: the columns that are leads; all without it")
    file: str | None = Field(None, description="csv-rows: the table; numpy: an .npz file")
    header: bool = Field(True, description="csv-rows: the first row names the columns")
    record: str | int = Field("record", description="csv-rows: column of the record; numpy: its array")
    label: str | int = Field("label", description="csv-rows: column of the label")
    patient: str | int | None = Field(None, description="csv-rows: column of the person; numpy: its array")
    x: str = Field("x", description="numpy: array of windows, or an .npy file")
    y: str = Field("y", description="numpy: array of labels, or an .npy file")
    adapter: str = Field("adapter.py", description="python: the file with a function records(folder)")

    @model_validator(mode="before")
    @classmethod
    def _table_is_given(cls, content: Any) -> Any:
        return content if isinstance(content, dict) else {}


class TaskPart(Part):
    """What the model is asked, and the shape of its input."""

    kind: Literal["beats", "records", "windows"] = Field(
        description="beats: a window around each annotated beat; records: one window a record; "
        "windows: consecutive windows, each with its record's label"
    )
    classes: tuple[str, ...] = Field(min_length=1, description="in the order of the model's outputs")
    multilabel: bool = Field(False, description="any number of classes may hold at once (sigmoid outputs)")
    labels: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="class -> what the data calls it; the class' own name without an entry"
    )
    ignore: tuple[str, ...] = Field((), description="labels of no class: such beats or records are left out")
    leads: tuple[str, ...] = Field(min_length=1, description="of the model's input, in its order")
    rate: float = Field(gt=0, description="samples a second of the model's input; recordings are resampled to it")
    samples: int = Field(ge=1, description="of one window")
    anchor: Literal["start", "centre"] = Field("start", description="records: which part of a longer record is taken")
    every: int | None = Field(None, ge=1, description="windows: samples from one window to the next")
    most_per_record: int | None = Field(None, ge=1, description="at most so many windows a record, evenly spread")

    @model_validator(mode="after")
    def _classes_are_one_each(self) -> TaskPart:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class is named twice")
        for name in self.labels:
            if name not in self.classes:
                raise ValueError(f"labels for '{name}', which is no class (classes: {', '.join(self.classes)})")
        if not self.multilabel and len(self.classes) < 2:
            raise ValueError("one class is a yes/no question: set multilabel = true")
        return self


class FixedPart(Part):
    """Statistics of a model that was trained elsewhere."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]


class PreprocessingPart(Part):
    """From millivolts to model input; the last two are what a device can do too."""

    steps: tuple[dict[str, Any], ...] = Field((), description="on the whole record, before the windows are cut")
    centre: bool = Field(False, description="subtract each window's mean")
    standardize: Literal["train", "none"] | FixedPart = Field(
        "train", description="by the training records' mean and standard deviation; or fixed {mean, scale}"
    )


class SplitPart(Part):
    """Which records train, validate and test: shares, or lists of records."""

    by: Literal["record", "patient"] = Field("record", description="what stays on one side")
    seed: int = Field(1, ge=0, description="of the dealing out, where shares are given")
    train: float | tuple[str, ...] | None = Field(None, description="share, or names; without it: the rest")
    validation: float | tuple[str, ...] = Field(0.15, description="share, or names")
    test: float | tuple[str, ...] = Field(0.25, description="share, or names")


class Described(Part):
    """All that makes a task of recordings."""

    name: str
    data: DataPart
    task: TaskPart
    preprocessing: PreprocessingPart = PreprocessingPart()  # type: ignore[call-arg]
    split: SplitPart = SplitPart()  # type: ignore[call-arg]


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file; UsageError where there is none."""
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise UsageError(f"no project file {path}", "ecgdeploy init makes one") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {' '.join(str(error).split())}", "one key = value a line") from None


def checked(kind: type[P], content: dict[str, Any], place: str) -> P:
    """A table as its type; UsageError that names the key, and the nearest known one."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [str(part) for part in first["loc"]]
        where = ".".join(key for key in keys if key.isidentifier())
        if first["type"] == "extra_forbidden":
            owner = _owner(kind, keys[:-1])
            names = [field.alias or name for name, field in owner.model_fields.items()]
            prefix = ".".join(keys[:-1])
            raise unknown(f"key in {place}:", where, [f"{prefix}.{n}" if prefix else n for n in names]) from None
        if first["type"] == "missing":
            raise UsageError(f"{place}: {where} is missing", HINT) from None
        text = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{place}: {where + ': ' if where else ''}{text[0].lower()}{text[1:]}", HINT) from None


def _owner(kind: type[BaseModel], keys: list[str]) -> type[BaseModel]:
    for key in keys:
        field = kind.model_fields.get(key)
        annotation: Any = field.annotation if field else None
        options = getattr(annotation, "__args__", (annotation,))
        found = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
        if found:
            kind = found[0]
    return kind


def read_task_file(path: Path) -> Described:
    """The tables of a project file that describe its data; the others are not looked at."""
    content = read_toml(path)
    wanted = {key: content[key] for key in Described.model_fields if key in content}
    described = checked(Described, with_adapter_file(wanted, path), path.name)
    return described


def with_adapter_file(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """``[data] adapter = "FILE.toml"``: the rest of the table is in that file, which other projects may use too."""
    data = content.get("data")
    adapter = data.get("adapter") if isinstance(data, dict) else None
    if not (isinstance(adapter, str) and adapter.endswith(".toml")):
        return content
    other = path.parent / adapter
    if not other.is_file():
        raise UsageError(f"{path.name}: data.adapter: no file {adapter}", "write it, or the keys themselves")
    assert isinstance(data, dict)
    own = {key: value for key, value in data.items() if key != "adapter"}
    merged = read_toml(other) | own
    checked(DataPart, merged, adapter)
    return content | {"data": merged}
