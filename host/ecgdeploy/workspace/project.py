"""The project file as a value: every table checked, every path beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from ecgdeploy.boards import load_board
from ecgdeploy.ecg.own import FILE
from ecgdeploy.ecg.own.schema import Described, Part, checked, read_toml, with_adapter_file
from ecgdeploy.errors import UsageError
from ecgdeploy.provenance import read_manifest, sha256_file, sha256_json
from ecgdeploy.quantization import deployability
from ecgdeploy.training import config
from ecgdeploy.training.runtime import OWN_LAYERS

#: keys of the training configuration that the project file itself decides
_DECIDED = ("schema", "name", "task", "model", "quantization", "target", "starts_from", "teacher", "ranges", "pretrain",
            "task_sha256", "distillation")


class ModelPart(Part):
    """The network: a file of one's own, or one of the package's by name."""

    file: str | None = Field(None, description=".keras (Keras 3) or .tflite, beside the project file")
    network: str | None = Field(None, description="instead of a file: a network of the package (ecgdeploy.models)")
    options: dict[str, Any] = Field(default_factory=dict, description="of that network")
    code: str | None = Field(None, description="a Python file with the model's own layers, beside the project file")
    activation: Literal["softmax", "sigmoid"] | None = Field(
        None, description="put behind a .keras file that ends in logits"
    )
    trained: bool = Field(False, description="the .keras file's weights are final: train only checks it")

    @model_validator(mode="after")
    def _one_of_them(self) -> ModelPart:
        if (self.file is None) == (self.network is None):
            raise ValueError("name a file or a network, one of them")
        if self.file is not None and Path(self.file).suffix not in (".keras", ".tflite"):
            raise ValueError(f"{self.file} is neither .keras nor .tflite")
        if self.activation is not None and not (self.file or "").endswith(".keras"):
            raise ValueError("activation is for a .keras file")
        return self


class QuantizePart(Part):
    """What is made of the trained model, and which file is deployed."""

    precision: Literal[
        "int8", "int8-qat", "int16x8", "mixed-bits", "mixed", "float32", "float16", "dynamic"
    ] = Field("int8", description="of the deployed file; int8-qat trains on with rounding")
    calibration: int = Field(512, ge=1, description="training windows that set the ranges")


class BoardPart(Part):
    """Where it runs."""

    name: str = Field("nano33ble", description="see ecgdeploy boards; or a board file")
    engine: str | None = Field(None, description="static, tflm or litert; the board's default without it")
    emulate: bool = Field(True, description="on the board's emulated twin")
    port: str | None = Field(None, description="of the real board, e.g. /dev/ttyACM0; for emulate = false")


class MeasurePart(Part):
    """How the board is measured."""

    limit: int | None = Field(None, ge=1, description="at most so many windows of each test record")


class ProjectFile(Described):
    """Content of ``ecgdeploy.toml``."""

    schema_version: Literal[1] = Field(1, alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="small letters, digits, dots, dashes")
    gates: str | None = Field(None, description="file of gates, see docs/howto/evidence.md")
    model: ModelPart
    train: dict[str, Any] = Field(default_factory=dict, description="epochs, batch, seed, [train.optimizer] ...")
    quantize: QuantizePart = QuantizePart()  # type: ignore[call-arg]
    board: BoardPart = BoardPart()  # type: ignore[call-arg]
    measure: MeasurePart = MeasurePart()  # type: ignore[call-arg]


@dataclass(frozen=True)
class Project:
    """A project: its file's content and where things of it lie."""

    path: Path
    content: ProjectFile

    @property
    def folder(self) -> Path:
        """The project's folder."""
        return self.path.parent

    @property
    def is_tflite(self) -> bool:
        """The model is a ``.tflite`` file: there is nothing to train or convert."""
        return self.content.model.file is not None and self.content.model.file.endswith(".tflite")

    @property
    def runs(self) -> Path:
        """Where training runs lie, one folder a configuration."""
        return self.folder / "runs"

    @property
    def models(self) -> Path:
        """Where ``quantize`` puts its files."""
        return self.folder / "models"

    @property
    def firmware(self) -> Path:
        """Where ``build`` puts the firmware's project: one folder a board, engine and kind of device."""
        board = self.content.board
        parts = (Path(board.name).stem, board.engine, "emulated" if board.emulate else None)
        return self.folder / "firmware" / "-".join(part for part in parts if part)

    def built(self) -> Path | None:
        """The firmware, where it was built from what is deployed now, for the board as it is set now."""
        board = self.content.board
        if not board.emulate:
            return self.firmware  # the one that was flashed, whatever it is: measure holds it against the model
        try:
            made = read_manifest(self.firmware)
            same = made["model"]["sha256"] == sha256_file(self.deployed()) and made["emulated"] is True
            fits = made["board"] == load_board(board.name).name and made["engine"] == (board.engine or made["engine"])
            return self.firmware if made.get("complete") and same and fits else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def measurement(self) -> Path:
        """Where ``measure`` puts its result."""
        return self.folder / "runs" / "measure"

    def file(self, name: str, what: str) -> Path:
        """A file that the project names; UsageError where it is not there."""
        path = self.folder / name
        if not path.is_file():
            raise UsageError(f"{self.path.name}: {what}: no file {name}", "paths are from the project file's folder")
        return path

    def use_code(self) -> None:
        """Have the model's own layers known wherever Keras reads it, in this process and its children."""
        if self.content.model.code is not None:
            os.environ[OWN_LAYERS] = str(self.file(self.content.model.code, "model.code").resolve())

    @property
    def model_file(self) -> Path | None:
        """The model's file, None for a network of the package."""
        return None if self.content.model.file is None else self.file(self.content.model.file, "model.file")

    def deployed(self) -> Path:
        """The ``.tflite`` file that goes onto the board.

        Raises
        ------
        UsageError
            It was not made yet.
        """
        if self.is_tflite:
            assert self.content.model.file is not None
            return self.file(self.content.model.file, "model.file")
        path = self.models / f"{self.content.quantize.precision}.tflite"
        if not path.is_file():
            raise UsageError(f"no model {path} yet", "ecgdeploy train, then ecgdeploy quantize")
        try:
            made_of = read_manifest(self.models)["made_from"].get("project")
        except (OSError, ValueError, KeyError, AttributeError):
            made_of = None
        if made_of != self.made_of:
            raise UsageError(
                f"{path} is not of the model, training and quantization that {self.path.name} has now",
                "ecgdeploy train, then ecgdeploy quantize",
            )
        return path

    @property
    def made_of(self) -> str:
        """Hash of what decides the deployed file beside the data: the model's file, ``[train]``, ``[quantize]``."""
        content, file = self.content, self.model_file
        parts = content.model_dump(mode="json", include={"model", "train", "quantize"})
        return sha256_json([parts, sha256_file(file) if file else None, self._code_sha256])

    @property
    def _code_sha256(self) -> str | None:
        code = self.content.model.code
        return sha256_file(self.file(code, "model.code")) if code is not None else None

    def float_model(self) -> Path | None:
        """The deployed file's float32 sibling, where there is one."""
        if self.is_tflite:
            return None
        sibling = "float32-qat" if self.content.quantize.precision.endswith("-qat") else "float32"
        path = self.models / f"{sibling}.tflite"
        return path if path.is_file() else None

    def gates_file(self) -> Path | None:
        """The gates' file."""
        return None if self.content.gates is None else self.file(self.content.gates, "gates")

    @property
    def precisions(self) -> tuple[str, ...]:
        """What ``quantize`` makes: the deployed file's precision, and float32 to compare it with.

        Raises
        ------
        ModelError
            The board's engine does not run it; the nearest that runs is named.
        """
        wanted = self.content.quantize.precision.removesuffix("-qat")
        place = self.content.board
        board = load_board(place.name)
        engines = board.engines.emulated if place.emulate else board.engines.hardware
        deployability.require(wanted, board.name, place.engine or board.default_engine(place.emulate), engines)
        return ("float32",) if wanted == "float32" else ("float32", wanted)

    def settings(self, task: Any) -> config.RunConfig:
        """The training configuration; its hash covers the data, the split, the preprocessing and the model's file.

        Raises
        ------
        UsageError, ModelError
            A key that is no key of training; a precision that the board's engine does not run.
        """
        content, given = self.content, dict(self.content.train)
        for key in given:
            if key in _DECIDED:
                raise UsageError(f"{self.path.name}: train.{key} is decided by the rest of the file", "leave it out")
        self.precisions  # noqa: B018 - refuses one that the board does not run, before any training
        name = content.model.network or "own"
        code = {"code_sha256": self._code_sha256} if self._code_sha256 else {}
        end = {"activation": content.model.activation} if content.model.activation else {}
        decided: dict[str, Any] = {
            "schema": 1,
            "name": content.name,
            "task": self.path.name,
            "task_sha256": task.sha256,
            "model": {"name": name, "options": content.model.options | code | end},
        }
        if (file := self.model_file) is not None:
            decided["starts_from"] = sha256_file(file)
        try:
            return config.parse(given | decided, f"{self.path.name} [train]")
        except UsageError as error:
            raise UsageError(error.message, error.hint) from None

    def run_folder(self, settings: config.RunConfig) -> Path:
        """Where training with this configuration lies: another configuration, or other data, has another folder."""
        return self.runs / f"train-{settings.sha256[:12]}"


def open_project(path: Path) -> Project:
    """Read and check a project file.

    Raises
    ------
    UsageError
        Missing, not TOML, an unknown key (the nearest is named), an impossible value.
    """
    content = read_toml(path)
    if "schema" not in content:
        raise UsageError(f"{path.name}: schema is missing", "the file begins with schema = 1")
    return Project(path, checked(ProjectFile, with_adapter_file(content, path), path.name))


def here(folder: Path | None = None) -> Project | None:
    """The project of a folder (this one); None where there is no project file."""
    path = (folder or Path()) / FILE
    return open_project(path) if path.is_file() else None
