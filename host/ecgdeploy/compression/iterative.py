"""Prune a little, train on, prune again: the driver of unstructured and structured pruning alike."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.compression import distillation, layers, pruning, structured
from ecgdeploy.errors import GateError, UsageError, unknown
from ecgdeploy.provenance import sha256_file, write_atomic
from ecgdeploy.training import checks, config
from ecgdeploy.training import run as training
from ecgdeploy.training.run import Run

#: beside a pruned run's model: how it was made
RECORD, MASKS = "pruning.json", "masks.npz"
UNSTRUCTURED = tuple(pruning.IMPORTANCE)
METHODS = (*UNSTRUCTURED, "structured")


@dataclass(frozen=True)
class Plan:
    """How a network is pruned.

    Attributes
    ----------
    method : one of `METHODS`
    target : float
        Unstructured: share of the weights that become zero. Structured: share of the multiply-accumulates that go.
    steps : int
        Prune-and-train steps; step k prunes the share k / steps of `target` (structured: equal factors).
    importance : str
        Structured only: a key of `structured.IMPORTANCE`.
    schedule : {"linear", "dynamic"}
        Unstructured only: ``dynamic`` gives every layer its own sparsity, `pruning.dynamic`.
    alpha : float
        Weight of the magnitude beside the energy.
    epochs, learning_rate, seed : of each step's training.
    distil : (alpha, temperature) or None
        Learn from the dense network's answers too.
    protect : float or None
        Stop before a step whose rarest class loses more than this of its recall on the validation records.
    windows : int
        Training windows that gradient-based importance looks at.
    only : tuple of {"conv", "dense", "lstm"}
        Unstructured, linear schedule: kinds of layers that are pruned.
    """

    method: str = "structured"
    target: float = 0.8
    steps: int = 4
    importance: str = "class-aware"
    schedule: str = "linear"
    alpha: float = 0.5
    epochs: int = 2
    learning_rate: float = 1e-3
    seed: int = 1
    distil: tuple[float, float] | None = (0.9, 2.0)
    protect: float | None = None
    windows: int = 4096
    only: tuple[str, ...] = pruning.KINDS

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown("pruning method", self.method, METHODS)
        if self.schedule not in ("linear", "dynamic"):
            raise unknown("sparsity schedule", self.schedule, ("linear", "dynamic"))
        if not 0 < self.target < 1:
            raise UsageError(f"a pruning target of {self.target}", "it is above 0 and below 1; 0.4 prunes 40 %")
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"a weight alpha of {self.alpha}", "0 sees the energy alone, 1 the importance alone")
        if self.distil and not (0 <= self.distil[0] <= 1 and self.distil[1] > 0):
            raise UsageError(
                f"distillation with alpha {self.distil[0]} and temperature {self.distil[1]}",
                "alpha is 0 to 1, the temperature above 0; 0.9 2 is the default",
            )
        if self.steps < 1:
            raise UsageError(f"pruning in {self.steps} steps", "one at least")

    def goal(self, step: int) -> float:
        """What step `step`, from 1, prunes in all: a share of the weights, or of the multiply-accumulates."""
        if self.method == "structured":
            return float(1 - (1 - self.target) ** (step / self.steps))
        return self.target * step / self.steps


@dataclass(frozen=True)
class Step:
    """One finished step.

    Attributes
    ----------
    run : Run
        A training run like any other: it quantizes, it can be pruned further.
    facts : dict
        Sparsity, parameters, multiply-accumulates, recall by class on the validation records.
    """

    number: int
    run: Run
    facts: dict[str, Any] = field(default_factory=dict)


def recalls(model: Any, view: Any) -> dict[str, float | None]:
    """Recall of each class on a view; None where it has no example."""
    from ecgdeploy.training.loop import predict

    found = predict(model, view.arrays(len(model.inputs)))
    targets = np.asarray(view.targets)
    if targets.ndim == 1:
        truth, said = (
            targets[:, None] == np.arange(len(view.classes)),
            found.argmax(1)[:, None] == np.arange(len(view.classes)),
        )
    else:
        truth, said = targets > 0, found >= 0.5
    return {
        name: float((truth[:, i] & said[:, i]).sum() / truth[:, i].sum()) if truth[:, i].any() else None
        for i, name in enumerate(view.classes)
    }


def prune(
    trained: Run,
    task: Any,
    folder: Path,
    plan: Plan,
    *,
    threads: int | None = None,
    report: Callable[[int, int, int, float], None] | None = None,
    said: Callable[[str], None] = lambda _: None,
    given: pruning.Masks | None = None,
) -> list[Step]:
    """Prune a finished run step by step, training after each; every step is resumable and is a run of its own.

    Parameters
    ----------
    folder : Path
        ``step1``, ``step2``, ... go here.
    said : callable
        Called with one line a step.
    given : Masks, optional
        These instead of new ones, in one step: the same weights go, the rest trains on.

    Returns
    -------
    list of Step
        Without the step that `Plan.protect` refused.

    Raises
    ------
    ModelError
        A layer would be empty; the target cannot be met; the given masks do not fit the network.
    DataError, UsageError
        As training does.
    GateError
        `Plan.protect` refuses the first step already.
    """
    from ecgdeploy.ecg.views import for_choosing
    from ecgdeploy.quantization import qat
    from ecgdeploy.training import runtime

    runtime.tensorflow(threads)
    dense = qat.load(trained.model)
    validation = for_choosing(task.validation())
    before = recalls(dense, validation)
    train = task.train()
    counts = checks.class_counts(train.targets, len(train.classes))
    rare = train.classes[int(np.argmin(np.where(counts > 0, counts, counts.max() + 1)))]
    if not given:
        _reachable(dense, plan)
    steps: list[Step] = []
    last: Run = trained
    masks: pruning.Masks | None = None
    dense_macs, dense_parameters = layers.macs(dense), layers.nonzero_parameters(dense)
    for number in range(1, 2 if given else plan.steps + 1):
        model = qat.load(last.model)
        if given:
            given.check(model)
            made, masks = model, given
        else:
            made, masks = _pruned(model, task, plan, number, masks, dense_macs)
        run = _train(last, trained, made, masks, task, folder / f"step{number}", plan, number, dense, threads, report)
        model = qat.load(run.model)
        after = recalls(model, validation)
        facts = {
            "step": number,
            "goal": plan.goal(number),
            "parameters": layers.nonzero_parameters(model),
            "parameters_dense": dense_parameters,
            "macs": layers.nonzero_macs(model),
            "macs_dense": dense_macs,
            "sparsity": masks.sparsity if masks else 0.0,
            "sparsity_by_layer": masks.by_layer() if masks else {},
            "widths": structured.widths(model),
            "recall": after,
            "recall_dense": before,
            "plan": asdict(plan),
            "from_weights": last.manifest["weights_sha256"],
        }
        fell = (before[rare] or 0.0) - (after[rare] or 0.0)
        if plan.protect is not None and fell > plan.protect:
            line = f"step {number}: recall of {rare} fell by {fell:.3f}, more than {plan.protect}; pruning ends here"
            said(line)
            if not steps:
                raise GateError(f"{folder.name}: {line}", "more epochs, smaller steps, or a larger --protect")
            break
        if masks is not None:
            masks.write(run.folder / MASKS)
            facts["masks_sha256"] = sha256_file(run.folder / MASKS)
        write_atomic(run.folder / RECORD, json.dumps(facts, indent=1, sort_keys=True) + "\n")
        steps.append(Step(number, run, facts))
        said(
            f"step {number} of {plan.steps}: {facts['parameters']:,} parameters, {facts['macs']:,} MACs, "
            f"validation macro F1 {run.manifest['validation']['macro_f1']:.4f}"
        )
        last = run
    return steps


def _reachable(dense: Any, plan: Plan) -> None:
    """Refuse, before any training, a target that the last step could not meet without an empty layer.

    Importance changes while training goes on; how small a network can get does not.

    Raises
    ------
    ModelError
    """
    if plan.method == "structured":
        structured.shrink(dense, 1 - plan.goal(plan.steps), "magnitude", alpha=plan.alpha)
    elif plan.method != "energy-printed" and plan.schedule == "linear":  # the printed one fails at a step of its own
        pruning.prune(dense, plan.goal(plan.steps), plan.method, alpha=plan.alpha, only=plan.only)


def _pruned(
    model: Any, task: Any, plan: Plan, number: int, before: pruning.Masks | None, dense_macs: int
) -> tuple[Any, pruning.Masks | None]:
    """The network of a step, and its masks where it is unstructured."""
    goal = plan.goal(number)
    if plan.method == "structured":
        batches = None
        train = task.train()
        if plan.importance != "magnitude":
            batches = _batches(train, plan.windows, plan.seed, len(model.inputs))
        share = min(1.0, (1 - goal) * dense_macs / layers.macs(model))
        smaller, _ = structured.shrink(
            model, share, plan.importance, batches=batches, classes=len(train.classes), alpha=plan.alpha
        )
        return smaller, None
    if plan.schedule == "dynamic":
        # t of the schedule grows to 3, where even the slowest layer has reached three quarters of the target
        return model, pruning.prune_each(
            model, pruning.dynamic(model, plan.target, 3 * number / plan.steps), before=before
        )
    return model, pruning.prune(model, goal, plan.method, alpha=plan.alpha, before=before, only=plan.only)


def _batches(view: Any, count: int, seed: int, inputs: int, size: int = 256) -> Iterator[tuple[Any, np.ndarray]]:
    """Training windows for gradients: every class as often, as far as it goes."""
    rng = np.random.default_rng(seed)
    targets, (signal, *person) = np.asarray(view.targets), view.arrays(inputs)
    order = rng.permutation(len(targets))
    if targets.ndim == 1:
        share = max(1, count // len(view.classes))
        chosen = np.concatenate([order[targets[order] == c][:share] for c in range(len(view.classes))])
        order = rng.permutation(chosen)
    order = order[:count]
    for start in range(0, len(order), size):
        rows = np.sort(order[start : start + size])
        yield (np.asarray(signal[rows])[:, None], *(part[rows] for part in person)), targets[rows]


def _train(
    last: Run,
    trained: Run,
    made: Any,
    masks: pruning.Masks | None,
    task: Any,
    folder: Path,
    plan: Plan,
    number: int,
    dense: Any,
    threads: int | None,
    report: Callable[[int, int, int, float], None] | None,
) -> Run:
    """Train a step's network on."""
    from ecgdeploy.quantization import qat

    base = config.parse(trained.manifest["config"], "config.json")
    changes: dict[str, Any] = {
        "name": f"{base.name}-pruned{number}",
        "seed": plan.seed,
        "epochs": plan.epochs,
        "patience": 0,
        "optimizer.learning_rate": plan.learning_rate,
        "optimizer.schedule": "cosine",
        "mixed_precision": False,
        "starts_from": last.manifest["weights_sha256"],
        "teacher": None,
        "distillation": None,
    }
    train = task.train()
    if plan.distil:
        changes["teacher"] = trained.manifest["weights_sha256"]
        changes["distillation"] = {"alpha": plan.distil[0], "temperature": plan.distil[1]}
        distillation.require_classes(str(trained.folder), trained.classes, train.classes)

    def make() -> Any:
        # a copy made when training has set its seed: a loaded network's dropout begins anywhere
        fresh = qat.copy_of(made)
        if masks is not None:
            masks.apply(fresh)
        return fresh

    share_shards(trained.folder, folder, train)
    return training.train(
        config.override(base, changes),
        folder,
        task=task,
        threads=threads,
        report=report,
        make_model=make,
        teacher=dense if plan.distil else None,
    )


def share_shards(have: Path, folder: Path, view: Any) -> None:
    """Let a run in `folder` read another run's shards of the same training windows instead of writing them again."""
    source, target = have / "shards", folder / "shards"
    key = source / "key"
    if key.is_file() and key.read_text() == training.shards_key(view) and not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        os.symlink(source.resolve(), target)  # noqa: PTH211
