"""Weimann and Conrad 2021: does pre-training on long recordings help a classifier of short ones, and on the device?

One unit is one configuration of Tables 1 to 5: its pre-training (made once, whoever needs it first) and its runs. Each
run draws its own training and validation records and is scored on the same test records. ``--quick`` uses an eighth of
the network's width, shorter records and three runs; the rows and the report say so.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.provenance import versions
from ecgdeploy.studies import downstream, weimann_paper
from ecgdeploy.studies.base import Context, Done, Study, Unit
from ecgdeploy.training import config, figures

NAME = "weimann2021"
NANO = "nano"
#: what changes between the forms; seconds: of a downstream record
FULL: dict[str, Any] = {
    "width": 1.0, "seconds": {"cinc2017": 60.0, "ptbxl-rhythm": 10.0, "icbeb2018": 60.0}, "runs": 10, "epochs": 200,
    "patience": 50, "batch": 64, "frames": 4096, "pretrain_epochs": 1, "held_out": 0.05,
}
QUICK: dict[str, Any] = {
    "width": 0.125, "seconds": {"cinc2017": 10.0, "ptbxl-rhythm": 10.0, "icbeb2018": 10.0}, "runs": 3, "epochs": 4,
    "patience": 0, "batch": 16, "frames": 40, "pretrain_epochs": 6, "held_out": 0.15,
}


def form(quick: bool) -> dict[str, Any]:
    """The numbers of a form."""
    return QUICK if quick else FULL


def _unit(table: str, method: str, **changes: Any) -> Unit:
    """One configuration: `method` is a row of Table 1."""
    params: dict[str, Any] = {"data": "cinc2017", "rate": 250, "share": 0.75, "depth": 18}
    params |= changes | {"table": table, "method": method}
    what = f"{params['data']}-{params['rate']}hz-{round(100 * params['share'])}pc-resnet{params['depth']}"
    name = f"{what}-{method.replace(' ', '-')}"
    return Unit(name, params, (f"{name}/runs",))


def units(quick: bool, ablate: bool) -> tuple[Unit, ...]:  # noqa: ARG001 - no ablation of int8 here
    """The paper's grid; the quick form: each method's best configuration; Tables 2 to 5 with one method, one change."""
    best = weimann_paper.BEST
    found = [_unit("1", name) for name in (best.values() if quick else weimann_paper.TABLE1)]
    some = ("none", "beat") if quick else weimann_paper.METHODS
    for method in some:
        found += [_unit("2", best[method], share=share) for share in ((0.25,) if quick else (0.5, 0.25))]
        found += [_unit("3", best[method], rate=rate) for rate in ((128,) if quick else (128, 300))]
        found += [_unit("4", best[method], depth=depth) for depth in ((34,) if quick else (34, 50))]
        found += [
            _unit("5", best[method], data=data, depth=18 if quick else 34) for data in ("ptbxl-rhythm", "icbeb2018")
        ]
    nano = Unit(NANO, {"table": NANO}, tuple(f"{NANO}/{cell}" for cell in NANO_CELLS))
    return (nano, *found)  # the longest first, for several processes


#: float32 student by its labels alone, taught by the pre-trained teacher, that one's int8 on the host and on the device
NANO_CELLS = ("teacher", "alone", "taught", "int8", "on-device")


def pretrain_config(method: str, depth: int, quick: bool) -> config.RunConfig:
    """The pre-training that a row of Table 1 names, such as ``beat 2048`` or ``future 16 8 8 512``."""
    task, *numbers = method.split()
    chosen = form(quick)
    part: dict[str, Any] = {
        "task": task, "samples": int(numbers[-1]), "frames_per_record": chosen["frames"],
        "held_out": chosen["held_out"], "records_in_memory": 64,
    }
    if task == "future":
        part |= {"context": int(numbers[0]), "negatives": int(numbers[1]), "offset": int(numbers[2])}
    return config.parse(
        {
            "schema": 1, "name": f"pretrain-{method.replace(' ', '-')}-resnet{depth}", "task": "upstream", "seed": 1,
            "epochs": chosen["pretrain_epochs"] if task != "future" else max(1, chosen["pretrain_epochs"] // 2),
            "batch": 32, "monitor": "loss", "checkpoint_steps": 200 if not quick else 20,
            "model": {"name": "weimann-resnet", "options": {"depth": depth, "width": chosen["width"]}},
            "loss": {"kind": "crossentropy"}, "pretrain": part,
        },
        NAME,
    )


def settings(params: dict[str, Any], pool: downstream.Pool, seed: int, quick: bool) -> config.RunConfig:
    """One fine-tuning run."""
    chosen = form(quick)
    samples, leads = (int(n) for n in pool.first.inputs.shape[1:])
    options = {
        "depth": params["depth"], "width": chosen["width"], "samples": samples, "leads": leads,
        "classes": len(pool.first.classes), "answer": "sigmoid" if pool.multilabel else "softmax",
    }
    return config.parse(
        {
            "schema": 1, "name": f"finetune-{params['data']}", "task": params["data"], "seed": seed,
            "epochs": chosen["epochs"], "patience": chosen["patience"], "batch": chosen["batch"],
            "monitor": "loss" if pool.multilabel else "macro_f1", "unlearnable": "keep",
            "model": {"name": "weimann-resnet", "options": options}, "loss": {"kind": "crossentropy"},
        },
        NAME,
    )


def pretrained(method: str, depth: int, context: Context) -> Any:
    """The finished pre-training run, made by whoever comes first; None for random weights."""
    from ecgdeploy.training import pretrain, run

    if method == "none":
        return None
    made = pretrain_config(method, depth, context.quick)
    folder = context.folder / "work" / made.name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # units run at the same time: the second waits and reads
        if (folder / "manifest.json").exists():
            return run.open_run(folder)
        return pretrain.pretrain(made, folder, data=context.data, threads=context.threads)


def one_run(
    params: dict[str, Any], pool: downstream.Pool, start: Any, seed: int, folder: Path, context: Context
) -> dict[str, np.ndarray]:
    """Fine-tune once and score the test records; read back where that is done."""
    from ecgdeploy.quantization import qat
    from ecgdeploy.training import pretrain, runtime
    from ecgdeploy.training.loop import predict

    path = folder / "answers.npz"
    if not path.exists():
        drawn = pool.drawn(seed, params["share"])
        done = pretrain.finetune(
            settings(params, pool, seed, context.quick), folder, start=start, task=drawn, threads=context.threads
        )
        model = qat.load(done.model)
        temporary = folder / "answers.part.npz"
        np.savez(
            temporary, test=predict(model, drawn.test().inputs), train=predict(model, drawn.train().inputs),
            targets=np.asarray(drawn.train().targets), validation=np.array(_validation(done)),
        )
        temporary.replace(path)
        shutil.rmtree(folder / "shards", ignore_errors=True)  # the same records for every run: they are read again
        runtime.forget()
    with np.load(path) as content:
        return {name: content[name] for name in content.files}


def _validation(done: Any) -> list[float]:
    """Macro F1 on the validation records after each epoch (Fig. 3)."""
    lines = (done.folder / "history.csv").read_text().splitlines()
    place = lines[0].split(",").index("validation_macro_f1")
    return [float(line.split(",")[place]) for line in lines[1:]]


def scores(targets: np.ndarray, answers: dict[str, np.ndarray]) -> dict[str, float]:
    """The paper's measures for one run: F1 by class and macro, or AUC, Fmax, F and G of beta 2."""
    from ecgdeploy import scoring

    found = answers["test"]
    if targets.ndim == 1:
        each = [
            2 * float(((found.argmax(1) == c) & (targets == c)).sum())
            / max(float((found.argmax(1) == c).sum() + (targets == c).sum()), 1.0)
            for c in range(found.shape[1])
        ]
        names = ("f1_normal", "f1_af", "f1_other", "f1_noisy")
        return {"macro_f1": float(np.mean(each)), **dict(zip(names, each, strict=False))}
    # the thresholds of F and G come from the training records, as in the paper
    grid = np.linspace(0.05, 0.95, 19)
    betas = [scoring.beta_scores(answers["targets"], answers["train"] >= t) for t in grid]
    f, g = (float(grid[int(np.nanargmax([getattr(b, name) for b in betas]))]) for name in ("f_beta", "g_beta"))
    return {
        "macro_auc": float(np.nanmean(figures.class_auc(targets, found))),
        "fmax": float(scoring.fmax(targets, found)[0]),
        "f_beta2": float(scoring.beta_scores(targets, found >= f).f_beta),
        "g_beta2": float(scoring.beta_scores(targets, found >= g).g_beta),
    }


def work(unit: Unit, context: Context) -> Iterator[Done]:
    """One configuration: pre-train (once for all that need it), fine-tune several times, score."""
    if unit.id == NANO:
        from ecgdeploy.studies import weimann_device

        yield from weimann_device.work(unit, context)
        return
    from ecgdeploy.training import runtime

    runtime.tensorflow(context.threads)
    params, chosen = unit.params, form(context.quick)
    pool = downstream.load(
        params["data"], params["rate"], chosen["seconds"][params["data"]], context.quick, context.data
    )
    start = pretrained(params["method"], params["depth"], context)
    every, targets = [], np.asarray(pool.held.targets)
    for seed in range(1, chosen["runs"] + 1):
        every.append(one_run(params, pool, start, seed, context.work(unit) / f"run-{seed}", context))
    runs = [scores(targets, answers) for answers in every]
    result: dict[str, Any] = {
        "runs": runs,
        "mean": {name: float(np.mean([run[name] for run in runs])) for name in runs[0]},
        "sd": {name: float(np.std([run[name] for run in runs], ddof=1)) for name in runs[0]},
        "validation_macro_f1": [answers["validation"].tolist() for answers in every],
        "network": settings(params, pool, 1, context.quick).as_json()["model"],
        "epochs": chosen["epochs"], "test_records": len(targets),
        "training_records": len(pool.drawn(1, params["share"]).train_rows),
        "pretraining": _pretraining(start),
    }
    provenance = {
        "task": pool.held.provenance, "source": pool.held.source, "synthetic": pool.held.synthetic,
        "seeds": list(range(1, chosen["runs"] + 1)), "versions": versions("tensorflow", "keras", "numpy"),
    }
    arrays = {"probabilities": np.stack([answers["test"] for answers in every]), "targets": targets}
    yield Done(unit.cells[0], result, provenance, arrays)


def _pretraining(start: Any) -> dict[str, Any] | None:
    if start is None:
        return None
    facts = start.manifest
    names = ("source", "records", "skipped", "positives", "windows", "validation", "weights_sha256", "config_sha256")
    return {name: facts[name] for name in names} | {"peak_host_ram_bytes": facts["peak_host_ram_bytes"]}


def _report(rows: list[dict[str, Any]], folder: Path) -> Any:
    from ecgdeploy.studies import weimann_report

    return weimann_report.report(rows, folder)


STUDY = Study(
    name=NAME,
    title="Transfer learning for ECG classification, down to the microcontroller",
    paper="Weimann and Conrad, Transfer learning for ECG classification, Scientific Reports 11:5251 (2021)",
    units=units,
    work=work,
    report=_report,
)
