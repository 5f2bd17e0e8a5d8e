"""``ecgdeploy report``: one page and a Markdown summary of one or several runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), default=Path("report"), show_default=True,
              help="Folder of report.html and report.md.")
@click.option("--json", "as_json", is_flag=True, help="Print the headline and the comparisons as JSON.")
def report(runs: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Make one self-contained page and a Markdown summary of the RUNS; the first is what the others are held to."""
    from dataclasses import asdict

    from jinja2 import UndefinedError

    from ecgdeploy.errors import DataError
    from ecgdeploy.measure.compare import read_result
    from ecgdeploy.provenance import canonical_json, write_atomic
    from ecgdeploy.reports.beside import short_names
    from ecgdeploy.reports.page import render_page, render_runs
    from ecgdeploy.reports.summary import against_first, headline, markdown

    paths = list(dict.fromkeys(runs))
    folders = [str(path.parent if path.name == "result.json" else path) for path in paths]
    results = {name: read_result(path) for name, path in zip(short_names(folders), paths, strict=True)}
    try:
        page = render_page(*results.values()) if len(results) == 1 else render_runs(results)
        text = markdown(results)
    except (KeyError, TypeError, UndefinedError) as error:
        names = ", ".join(results)
        raise DataError(f"{names}: a result lacks what a report needs ({error})", "measure again") from error
    output.mkdir(parents=True, exist_ok=True)
    write_atomic(output / "report.html", page)
    write_atomic(output / "report.md", text)
    if as_json:
        columns, *rows = headline(results)
        found = [dict(zip(columns, row, strict=True)) for row in rows]
        click.echo(canonical_json({"runs": found, "against_first": [asdict(pair) for pair in against_first(results)]}))
    else:
        click.echo(f"{output / 'report.html'}\n{output / 'report.md'}")
