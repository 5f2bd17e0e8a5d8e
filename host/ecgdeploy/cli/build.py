"""``ecgdeploy build``: a model's firmware for a board, with its sizes by section and by part."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgdeploy.cli.common import WEIGHTS
from ecgdeploy.cli.complete import board_completion

if TYPE_CHECKING:
    from ecgdeploy.projects import Build


@click.command()
@click.option(
    "--board",
    required=True,
    help="Name of a board (see `ecgdeploy boards`), or a board file.",
    shell_complete=board_completion,
)
@click.option("--model", default="beat-cnn", show_default=True, help="A .tflite file, or the name of a preset.")
@click.option("--engine", help="Inference engine: static, tflm or litert; the board's default otherwise.")
@click.option("--emulate", is_flag=True, help="Build for the board's emulated twin.")
@click.option("--output", type=click.Path(path_type=Path), help="Project folder; by default in build/, by content.")
@click.option("--render-only", is_flag=True, help="Write the project folder and compile nothing.")
@click.option("--tflm-dir", type=click.Path(path_type=Path), help="TFLM tree with its library (engine tflm).")
@click.option("--float-model", type=click.Path(path_type=Path),
              help="A Jetson's bundle: the float32 .tflite that model.onnx is made from; a preset's own by default.")
@click.option("--arena-bytes", type=click.IntRange(min=1024), help="TFLM's arena; measured or estimated otherwise.")
@click.option("--fold/--no-fold", default=True, show_default=True,
              help="Engine tflm: leave out Conv1D's EXPAND_DIMS and RESHAPE, if TFLM's answers stay the same bytes.")
@click.option("--weights", type=click.Choice(WEIGHTS), help="Engine static: keep weights packed in 1 to 7 bits [auto].")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
def build(
    context: click.Context,
    board: str,
    model: str,
    engine: str | None,
    emulate: bool,
    output: Path | None,
    render_only: bool,
    tflm_dir: Path | None,
    arena_bytes: int | None,
    float_model: Path | None,
    fold: bool,
    weights: str | None,
    as_json: bool,
) -> None:
    """Render a project folder for a model and a board, and build it.

    The folder also builds without ecgdeploy; its README says how.
    """
    from ecgdeploy import projects
    from ecgdeploy.cli.project import settled

    chosen: dict[str, Any] = {"engine": engine, "float_model": float_model}
    chosen = settled(context, chosen, {"board": ("engine",), "model": ("float_model",)})
    engine, float_model = chosen["engine"], chosen["float_model"]
    done = projects.build(
        model,
        board,
        engine,
        emulate,
        output,
        render_only,
        {"tflm_dir": tflm_dir, "arena_bytes": arena_bytes, "float_model": float_model, "fold": fold}
        | ({"weights": weights} if weights else {}),
    )
    if as_json:
        click.echo(json.dumps(summary(done), indent=2))
        return
    state = "rendered" if render_only else "unchanged" if done.cached else "built"
    click.echo(f"{state} {_shown(done.folder)}  (build id {done.build_id})", err=True)
    if folded := done.manifest["facts"].get("engine", {}).get("folded"):
        click.echo(f"folded: {folded}; identical outputs in TFLM", err=True)
    if done.sizes is None:
        click.echo(str(done.elf or done.folder))
        return
    _table(done, done.manifest["facts"].get("memory", {}))
    if layers := done.manifest["facts"].get("engine", {}).get("weights"):
        click.echo(weights_line(layers))
    click.echo(f"image: {_shown(done.elf or done.folder)}")


def summary(done: Build) -> dict:
    """A build as JSON: what was made, where, how large."""
    return {
        "folder": str(done.folder),
        "elf": str(done.elf) if done.elf else None,
        "build_id": done.build_id,
        "cached": done.cached,
        "sizes": asdict(done.sizes) if done.sizes else None,
        **{key: done.manifest[key] for key in ("board", "emulated", "engine", "model", "facts")},
    }


def _table(done: Build, memory: dict[str, int]) -> None:
    """Sizes against the board's memory, by part and by section."""
    sizes = done.sizes
    assert sizes is not None
    click.echo(f"{'':<14} {'flash':>10} {'RAM':>10}   bytes")
    for title, flash, ram in (
        ("part", sizes.flash_by_part, sizes.ram_by_part),
        ("section", sizes.flash_by_section, sizes.ram_by_section),
    ):
        click.echo(f"by {title}")
        for name in [*flash, *(name for name in ram if name not in flash)]:
            cells = [f"{table[name]:,}" if name in table else "" for table in (flash, ram)]
            click.echo(f"  {name:<12} {cells[0]:>10} {cells[1]:>10}")
    click.echo(f"{'total':<14} {sizes.flash:>10,} {sizes.ram:>10,}")
    click.echo(f"{'stack':<14} {'':>10} {sizes.stack:>10,}")
    if memory:
        click.echo(f"{'board has':<14} {memory['flash']:>10,} {memory['ram']:>10,}")


def weights_line(layers: list[dict]) -> str:
    """What the weights take, beside float32, and in how many bits they are kept."""
    count, size = sum(layer["count"] for layer in layers), sum(layer["bytes"] for layer in layers)
    kept: dict[int, int] = {}
    for layer in layers:
        kept[layer["bits"]] = kept.get(layer["bits"], 0) + 1
    bits = ", ".join(f"{number} at {width}" for width, number in sorted(kept.items()))
    times = f", {4 * count / size:.2f} times smaller than float32" if size else ""
    return f"weights: {count:,} in {size:,} bytes{times}; layers by bits: {bits}"


def _shown(path: Path) -> str:
    """A path relative to where the user is, when it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
