"""``ecgdeploy pareto`` and ``ecgdeploy advise``: measured models against each other."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten
from typing import Any

import click

RUNS = click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
METRIC = click.option("--metric", help="Figure of merit of the device's column [default: macro_auc, else macro_f1].")
JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
# of a refusal, in the table; --json has it whole
REASON_WIDTH = 52


@click.command()
@RUNS
@METRIC
@click.option("--html", type=click.Path(path_type=Path), help="Write the interactive plot here; it needs no network.")
@JSON
def pareto(runs: tuple[Path, ...], metric: str | None, html: Path | None, as_json: bool) -> None:
    """The Pareto front over quality, flash, RAM and cost of the runs in folders RUNS [default: runs]."""
    from ecgdeploy.measure.pareto import front
    from ecgdeploy.provenance import canonical_json, write_atomic

    field = _field(runs, metric)
    best = front(field.candidates)
    if html:
        from ecgdeploy.reports.pareto_page import render

        write_atomic(html, render(field.candidates, best))
    if as_json:
        click.echo(canonical_json([c.as_dict() | {"on_the_front": c in best} for c in field.candidates]))
        return
    _print(field.candidates, best)
    if html:
        click.echo(f"plot: {html}", err=True)


@click.command()
@RUNS
@click.option("--board", required=True, help="Board that the model is for.")
@click.option("--min-auroc", "least", type=click.FloatRange(0, 1), default=0.0, help="Least macro AUROC (or --metric).")
@click.option("--max-flash", type=click.IntRange(1), help="Bytes of flash, at most.")
@click.option("--max-ram", type=click.IntRange(1), help="Bytes of RAM, at most.")
@click.option("--max-cost", type=click.IntRange(1), help="Instructions or cycles an inference, at most.")
@METRIC
@JSON
def advise(
    runs: tuple[Path, ...], board: str, least: float, max_flash: int | None, max_ram: int | None, max_cost: int | None,
    metric: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Name the best measured model of RUNS that fits a board, and why the next better one does not."""
    from ecgdeploy.errors import GateError
    from ecgdeploy.measure.pareto import advise as advised
    from ecgdeploy.provenance import canonical_json

    field = _field(runs, metric)
    limits = {aim: limit for aim, limit in (("flash", max_flash), ("ram", max_ram), ("cost", max_cost)) if limit}
    advice = advised(field.candidates, board, least, limits)
    if as_json:
        better = [{**c.as_dict(), "why_not": why} for c, why in advice.better]
        chosen, nearest = (c and c.as_dict() for c in (advice.chosen, advice.nearest))
        click.echo(canonical_json({"chosen": chosen, "better": better, "nearest": nearest}))
    else:
        if advice.chosen:
            c = advice.chosen
            figures = ", ".join(_figures(c))
            click.echo(f"{c.model} on {c.board}{_twin(c)}, engine {c.engine}: {c.metric} {c.quality:.4f}, {figures}")
        for c, why in advice.better[:1]:
            which = "the next better one" if advice.chosen else "the nearest that is good enough"
            click.echo(f"{which}, {c.model} ({c.metric} {c.quality:.4f}), does not fit: {why}")
        if advice.chosen and not advice.better:
            click.echo("no measured model is better")
    if advice.chosen is None:
        wanted = f" with at least {least:.4f}" if least else ""
        near = advice.nearest
        hint = "loosen them, or measure others"
        if near:
            hint = f"the best that fits, {near.model}, reaches {near.quality:.4f}"
        raise GateError(f"no measured model fits {board} within the limits{wanted}", hint)


def _field(runs: tuple[Path, ...], metric: str | None) -> Any:
    from ecgdeploy.measure.pareto import read_field

    field = read_field(runs or (Path("runs"),), metric)
    reasons: dict[str, list[str]] = {}
    for line in field.left_out:
        run, _, why = line.partition(": ")
        reasons.setdefault(why, []).append(run)
    for why, left_out in reasons.items():
        more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
        click.echo(f"left out: {left_out[0]}{more}: {why}", err=True)
    return field


def _twin(candidate: Any) -> str:
    return " (emulated)" if candidate.emulated else ""


def _figures(candidate: Any) -> list[str]:
    named = (("flash", "bytes of flash"), ("ram", "bytes of RAM"), ("cost", candidate.unit))
    values = [(getattr(candidate, aim), name) for aim, name in named]
    return [f"{value:,} {name}" for value, name in values if value is not None]


def _print(found: tuple[Any, ...], best: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    first = found[0]
    columns = ("", "model", "board", first.metric, "flash", "RAM", "cost", "")
    table = Table(*columns, title=first.data, title_justify="left")
    for c in sorted(found, key=lambda c: (c.board, -c.quality)):
        values = [f"{value:,}" if value is not None else "-" for value in (c.flash, c.ram, c.cost)]
        mark = "front" if c in best else "refused" if c.refused else ""
        _, _, why = c.refused.rpartition(f"does not fit {c.board}: ")
        last = shorten(why, REASON_WIDTH, placeholder="…") or (c.unit if c.cost is not None else "")
        table.add_row(mark, c.model, c.board + _twin(c), f"{c.quality:.4f}", *values, last)
    console = Console(width=max(Console().width, 110))
    console.print(table)
    if any(c.synthetic for c in found):
        console.print("SYNTHETIC data: no person was recorded")
