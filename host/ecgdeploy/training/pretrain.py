"""Pre-training on long recordings, and fine-tuning from what it gave: Weimann and Conrad 2021."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy import models
from ecgdeploy.ecg import upstream as collections
from ecgdeploy.ecg.upstream import Upstream
from ecgdeploy.ecg.views import ValidationView
from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.provenance import sha256_json, write_atomic
from ecgdeploy.training import checks, frames, run
from ecgdeploy.training.config import PretrainPart, RunConfig
from ecgdeploy.training.run import Run

INDEX = "index.npz"
SKIPPED = "skipped.json"
#: frames that validate, at most: they are in memory
VALIDATION_FRAMES = 4096


def divided(
    upstream: Upstream, share: float, seed: int, more: int = 0
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Records of the persons that train, and of those that validate: at least one, and `more` of them.

    Raises
    ------
    DataError
        All records are one person's.
    """
    persons = sorted({upstream.patient(name) for name in upstream.names})
    if len(persons) < 2:
        raise DataError(f"{upstream.name}: {len(persons)} person", "pre-training and its validation need two")
    held = np.random.default_rng(seed).permutation(persons)[: max(1, round(share * len(persons))) + more]
    kept_back = set(held.tolist())
    train = tuple(name for name in upstream.names if upstream.patient(name) not in kept_back)
    return train, tuple(name for name in upstream.names if upstream.patient(name) in kept_back)


def pretrain(
    config: RunConfig,
    folder: Path,
    *,
    upstream: Upstream | None = None,
    data: Path | None = None,
    threads: int | None = None,
    report: Callable[[int, int, int, float], None] | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Run:
    """Train the network of `config.model` on the task of `config.pretrain`; resumes like any run.

    Parameters
    ----------
    upstream : optional
        The recordings; else `ecg.upstream.find`.
    progress : callable
        Called with (records read, records) while frames are drawn.

    Returns
    -------
    Run
        Its manifest names the records that could not be read.

    Raises
    ------
    DataError, UsageError
        No recordings, no frame with a label; a network whose input is not a frame; a configuration without `pretrain`.
    """
    part = config.pretrain
    if part is None:
        raise UsageError(f"{config.name} has no [pretrain] part", "set pretrain.task")
    if part.task == "future" and config.batch <= part.negatives:
        raise UsageError(
            f"a batch of {config.batch} has no {part.negatives} other examples", "raise batch, or lower negatives"
        )
    source = upstream or collections.find(data)
    run.claim(folder, config)
    train, validation = _indices(source, part, config.seed, folder, progress)
    stored, view = frames.Frames(source, part, train), _view(source, part, validation)
    checks.finite(view, "validation frames")
    skipped = train.skipped | validation.skipped
    facts = {
        "source": source.name,
        "synthetic": False,
        "provenance": {"upstream": source.name, "records": len(source.names), "frames_sha256": stored.sha256},
        "records": len(source.names) - len(skipped),
        "skipped": skipped,
        "windows": {"training": len(stored), "validation": len(view)},
        "classes": list(train.classes),
        "positives": dict(
            zip(train.classes, checks.class_counts(train.target, len(train.classes)).tolist(), strict=True)
        ),
    }
    make = functools.partial(_model, config, part, len(train.classes))
    return run.fit_stored(config, folder, stored, view, facts, threads, report, make, None)


def _indices(
    upstream: Upstream, part: PretrainPart, seed: int, folder: Path, progress: Callable[[int, int], None]
) -> tuple[frames.Index, frames.Index]:
    """Frames that train and that validate, of the classes that both have; a resumed run reads them back."""
    names = divided(upstream, part.held_out, seed)
    key = sha256_json([upstream.name, names, part.model_dump(), seed])
    path = folder / INDEX
    if path.exists():
        with np.load(path) as kept:
            if str(kept["key"]) == key:
                names = divided(upstream, part.held_out, seed, int(kept["more"]))
                skipped = json.loads((folder / SKIPPED).read_text())
                classes = tuple(kept["classes"].tolist())
                first, second = (
                    frames.Index(names[i], kept[role][0], kept[role][1], kept[role][2], classes, skipped[i])
                    for i, role in enumerate(("training", "validation"))
                )
                return first, second
    more = 0
    while True:
        train = frames.index(upstream, part, names[0], seed, progress)
        held = frames.index(upstream, part, names[1], seed, progress)
        # a class that nobody who trains has cannot be learned; its frames are left out of both sets
        there = [name for i, name in enumerate(train.classes) if (train.target == i).any()]
        train, held = frames.only(train, there), frames.only(held, there)
        following = divided(upstream, part.held_out, seed, more + 1)
        if len(held.target) or not held.skipped or not following[0]:
            break
        more, names = more + 1, following  # whoever was to validate is damaged: the next person does
    for what, found in (("training", train), ("validation", held)):
        if not len(found.target):
            reasons = "".join(f"; {name}: {why}" for name, why in list(found.skipped.items())[:1])
            raise DataError(f"{upstream.name}: no {what} frame for task {part.task}{reasons}",
                            "give other recordings, choose another task, or raise pretrain.held_out")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / SKIPPED, json.dumps([train.skipped, held.skipped], indent=1) + "\n")
    temporary = folder / f"{INDEX}.part.npz"
    tables = {n: np.stack([i.record, i.start, i.target]) for n, i in (("training", train), ("validation", held))}
    np.savez(temporary, key=np.array(key), more=np.array(more), classes=np.array(there), **tables)  # type: ignore[arg-type]
    temporary.replace(path)
    return train, held


def _view(upstream: Upstream, part: PretrainPart, found: frames.Index) -> ValidationView:
    if len(found.target) > VALIDATION_FRAMES:
        chosen = np.sort(np.random.default_rng(0).permutation(len(found.target))[:VALIDATION_FRAMES])
        found = replace(found, record=found.record[chosen], start=found.start[chosen], target=found.target[chosen])
    lazy = frames.Frames(upstream, part, found)
    return ValidationView(
        lazy[:], found.target, found.classes, lazy.record_ids, found.start, False, upstream.name,
        {"part": ValidationView.part, "upstream": upstream.name},
    )


def _model(config: RunConfig, part: PretrainPart, classes: int) -> Any:
    options = dict(config.model.options) | {"samples": part.samples, "leads": 1, "classes": classes}
    network = models.build(config.model.name, **options)
    if part.task != "future":
        return network
    from ecgdeploy.models.future import future_model
    from ecgdeploy.models.weimann import encoder

    return future_model(encoder(network), part.context, part.negatives)


def encoder_of(trained: Run) -> Any:
    """The pre-trained network whose layers `models.weimann.transfer` copies."""
    import keras

    from ecgdeploy.models import future  # noqa: F401 - registers the layers of a saved future model

    model = keras.saving.load_model(trained.model, compile=False)
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return inner[0] if inner else model


def finetune(
    config: RunConfig,
    folder: Path,
    *,
    start: Run | None,
    task: Any = None,
    data: Path | None = None,
    threads: int | None = None,
    report: Callable[[int, int, int, float], None] | None = None,
) -> Run:
    """Train `config` on its task, from the encoder of a pre-training run or (None) from random weights.

    A first layer of one lead is spread over the task's leads.

    Raises
    ------
    DataError, ModelError, UsageError
        As training does; an encoder of another shape.
    """
    from ecgdeploy.training import runtime

    runtime.tensorflow(threads)
    if start is None:
        return run.train(config, folder, task=task, data=data, threads=threads, report=report)
    from ecgdeploy.models.weimann import transfer

    pretrained = encoder_of(start)

    def make() -> Any:
        network = models.build(config.model.name, **config.model.options)
        transfer(pretrained, network)
        return network

    settings = config.model_copy(update={"starts_from": start.manifest["weights_sha256"]})
    return run.train(settings, folder, task=task, data=data, threads=threads, report=report, make_model=make)
