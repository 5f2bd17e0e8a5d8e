"""``ecgdeploy study``: the papers' experiments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.group()
def study() -> None:
    """List, run and report the papers' experiments."""


@study.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(as_json: bool) -> None:
    """List the studies and the size of their grids."""
    from ecgdeploy import studies

    found = {}
    for name in studies.STUDIES:
        one = studies.load(name)
        quick, full = (sum(len(unit.cells) for unit in one.units(form, False)) for form in (True, False))
        found[name] = {"title": one.title, "paper": one.paper, "quick_cells": quick, "cells": full}
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, facts in found.items():
        click.echo(f"{name}: {facts['title']} ({facts['cells']} cells, {facts['quick_cells']} with --quick)")


def _folder(name: str, quick: bool, output: Path | None) -> Path:
    return output or Path("studies") / (f"{name}-quick" if quick else name)


@study.command()
@click.argument("name")
@click.option("--quick", is_flag=True, help="The small form, for two cores and the data at hand.")
@click.option("--ablate-int8", "ablate", is_flag=True, help="What each mistake of int8 quantization costs.")
@click.option("--dry-run", is_flag=True, help="A few steps of the full form: memory and time that it would need.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes on this machine.")
@click.option("--cluster", metavar="URL", help="Address of a Dask scheduler; its workers run the cells.")
@click.option("--output", type=click.Path(path_type=Path), help="The study's folder [studies/NAME]; resumes.")
@click.option("--data", type=click.Path(path_type=Path), help="The data set's folder [$ECGDEPLOY_DATA].")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of TensorFlow in each process.")
@click.option("--json", "as_json", is_flag=True, help="Print all rows as JSON.")
def run(
    name: str,
    quick: bool,
    ablate: bool,
    dry_run: bool,
    jobs: int,
    cluster: str | None,
    output: Path | None,
    data: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Run every cell of NAME that has no row yet, then report."""
    from ecgdeploy import studies
    from ecgdeploy.studies import runner

    chosen = studies.load(name)
    folder = _folder(name, quick, output)
    if dry_run:
        _rehearse(chosen, folder, data, threads)
        return
    rows = runner.run(
        name, folder, quick=quick, ablate=ablate, jobs=jobs, cluster=cluster, data=data, threads=threads,
        report=lambda line: click.echo(line, err=True),
    )
    if as_json:
        click.echo(json.dumps(rows, indent=2, sort_keys=True))
        return
    _show(chosen, rows, folder)


def _rehearse(chosen: Any, folder: Path, data: Path | None, threads: int | None) -> None:
    from ecgdeploy.errors import UsageError
    from ecgdeploy.studies.base import Context

    if chosen.rehearse is None:
        raise UsageError(f"study {chosen.name} has no dry run", "run its --quick form")
    click.echo(json.dumps(chosen.rehearse(Context(folder, False, data, threads)), indent=2))


@study.command()
@click.argument("name")
@click.option("--quick", is_flag=True, help="The folder of the small form.")
@click.option("--output", type=click.Path(path_type=Path), help="The study's folder [studies/NAME].")
@click.option("--markdown", is_flag=True, help="Print the report as Markdown, for a document.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def report(name: str, quick: bool, output: Path | None, markdown: bool, as_json: bool) -> None:
    """Print the paper's figures beside ours; write report.html, and a CSV file for each table."""
    from ecgdeploy import studies
    from ecgdeploy.errors import UsageError
    from ecgdeploy.studies import runner

    chosen = studies.load(name)
    folder = _folder(name, quick, output)
    rows = runner.read_rows(folder)
    if not rows:
        raise UsageError(f"{folder} has no rows", f"ecgdeploy study run {name}{' --quick' if quick else ''}")
    if as_json:
        click.echo(json.dumps(chosen.report(rows, folder).as_json(), indent=2))
        return
    if markdown:
        from ecgdeploy.studies import tables

        command = f"ecgdeploy study report {name}{' --quick' if quick else ''} --markdown"
        click.echo(tables.document(chosen.report(rows, folder), command))
        return
    _show(chosen, rows, folder)


def _show(chosen: Any, rows: list[dict[str, Any]], folder: Path) -> None:
    from rich.console import Console

    from ecgdeploy.reports import study_html
    from ecgdeploy.studies import tables

    made = chosen.report(rows, folder)
    console = Console(width=max(Console().width, 110))
    for table in made.tables:
        console.print(tables.terminal(table))
    for line in made.remarks:
        console.print(line, highlight=False, soft_wrap=True)
    written = [*tables.write_csv(made, folder), *study_html.write(made, folder)]
    click.echo(f"written: {', '.join(str(path) for path in written)}")
