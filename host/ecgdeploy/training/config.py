"""One training run as data: a TOML file, checked key by key before anything heavy starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecgdeploy.errors import UsageError, unknown
from ecgdeploy.provenance import sha256_json

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelPart(_Part):
    """Which network, and its builder's options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class LossPart(_Part):
    """Loss and class imbalance.

    ``focal`` is Lin et al. 2017, eq. 4-5: categorical for one label a window, binary per output for many labels.
    """

    kind: Literal["crossentropy", "focal"] = "focal"
    gamma: float = Field(2.0, ge=0)
    class_weights: Literal["none", "sqrt-inverse", "inverse"] = "none"


class DistillationPart(_Part):
    """A teacher's answers beside the labels: (1 - alpha) CE + alpha T^2 KL(teacher || student); Hinton et al. 2015.

    Without it, a run with a teacher learns its answers alone, in inference mode.
    """

    alpha: float = Field(0.5, ge=0, le=1)
    temperature: float = Field(4.0, gt=0)


class OptimizerPart(_Part):
    """Adam, with a constant or cosine learning rate."""

    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = Field(0.0, ge=0)


class AugmentationPart(_Part):
    """Random changes of each training window; all zero is none."""

    gain: float = Field(0.0, ge=0, lt=1, description="amplitude times 1 ± gain, uniform")
    offset: float = Field(0.0, ge=0, description="standard deviation of an added constant, in input units")
    shift: int = Field(0, ge=0, description="shift by at most this many samples, edges repeated")
    noise: float = Field(0.0, ge=0, description="standard deviation of added white noise, in input units")


class DistributionPart(_Part):
    """``tf.distribute`` strategy. ``multi-worker`` reads this process's place from TF_CONFIG."""

    strategy: Literal["none", "mirrored", "multi-worker"] = "none"


class TargetPart(_Part):
    """Where the result has to run; refused here when one of the precisions cannot."""

    board: str
    engine: str = "static"


class QuantizationPart(_Part):
    """What ``ecgdeploy quantize`` makes of the run."""

    precisions: tuple[str, ...] = ("float32", "int8")
    calibration: int = Field(512, ge=1, description="windows drawn from the training records")


class PretrainPart(_Part):
    """Pre-training on long recordings; the defaults are those of Weimann and Conrad's paper."""

    task: Literal["beat", "rhythm", "heart-rate", "future"]
    samples: int = Field(2048, ge=64, description="samples of a frame")
    rate: float = Field(250.0, gt=0)
    frames_per_record: int = Field(4096, ge=1, description="frames drawn of each record")
    held_out: float = Field(0.05, gt=0, lt=1, description="share of the persons that validate")
    records_in_memory: int = Field(16, ge=1, description="records whose frames are mixed, and are in memory")
    context: int = Field(16, ge=1, description="future: frames that are seen")
    offset: int = Field(8, ge=0, description="future: frames between the last one seen and the one to recognize")
    negatives: int = Field(8, ge=1, description="future: wrong frames beside the right one")


class RunConfig(_Part):
    """Everything that decides a training run's result.

    Attributes
    ----------
    schema_version : int
        Version of this file format; 1.
    task : str
        Name for `ecgdeploy.ecg.tasks.load_task`.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    task: str
    seed: int = Field(1, ge=0)
    epochs: int = Field(30, ge=1)
    batch: int = Field(128, ge=1)
    monitor: Literal["macro_f1", "macro_auc", "loss", "last", "teacher"] = "macro_f1"
    patience: int = Field(0, ge=0, description="epochs without a better validation figure; 0: never stop early")
    mixed_precision: bool = False
    checkpoint_steps: int = Field(0, ge=0, description="also checkpoint inside an epoch, every so many steps")
    starts_from: str | None = Field(None, description="hash of the weights that training starts from")
    teacher: str | None = Field(None, description="hash of the weights whose answers are the targets")
    task_sha256: str | None = Field(None, description="hash of a project file's data, windows and split")
    unlearnable: Literal["keep"] | None = Field(
        None, description="keep outputs without a positive training record (they learn to say no); unset: refuse them"
    )
    distillation: DistillationPart | None = None
    pretrain: PretrainPart | None = None
    ranges: str | None = Field(None, description="hash of the int8 ranges that rounding layers start from")
    model: ModelPart
    loss: LossPart = LossPart()  # type: ignore[call-arg]
    optimizer: OptimizerPart = OptimizerPart()  # type: ignore[call-arg]
    augmentation: AugmentationPart = AugmentationPart()  # type: ignore[call-arg]
    distribution: DistributionPart = DistributionPart()
    quantization: QuantizationPart = QuantizationPart()  # type: ignore[call-arg]
    target: TargetPart | None = None

    def as_json(self) -> dict[str, Any]:
        """JSON value of the configuration, defaults filled in; what is unset is left out: new keys keep old hashes."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @property
    def sha256(self) -> str:
        """SHA-256 of the configuration in canonical form."""
        return sha256_json(self.as_json())


def parse(content: dict[str, Any], source: str) -> RunConfig:
    """Check a configuration.

    Raises
    ------
    UsageError
        Unknown key (nearest known one named) or impossible value.
    """
    try:
        return RunConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise unknown(f"key in {source}:", place, _keys_beside(first["loc"])) from error
        hint = "ecgdeploy train --show-schema lists the keys"
        raise UsageError(f"{source}: {place}: {first['msg']}", hint) from error


def _keys_beside(place: tuple[int | str, ...]) -> list[str]:
    part: Any = RunConfig
    for name in place[:-1]:
        annotation = part.model_fields[str(name)].annotation
        part = annotation if isinstance(annotation, type) else annotation.__args__[0]
    prefix = ".".join(str(p) for p in place[:-1])
    names = [field.alias or key for key, field in part.model_fields.items()]
    return [f"{prefix}.{name}" if prefix else name for name in names]


def read(path: Path) -> RunConfig:
    """Read a run's TOML file.

    Raises
    ------
    UsageError
        No such file, not TOML, unknown key or impossible value.
    """
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise UsageError(f"no configuration {path}", "ecgdeploy zoo list names the presets") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", "one key = value a line") from error
    return parse(content, path.name)


def override(config: RunConfig, assignments: dict[str, Any]) -> RunConfig:
    """Copy of `config` with dotted keys replaced, e.g. ``{"loss.gamma": 1.5}``; checked like a file."""
    content = config.as_json()
    for dotted, value in assignments.items():
        *path, last = dotted.split(".")
        node = content
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise UsageError(f"{dotted}: {part} is a value, not a table", "write --set key=value")
        node[last] = value
    return parse({k: v for k, v in content.items() if v is not None}, "--set")
