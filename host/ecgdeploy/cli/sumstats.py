"""``ecgdeploy sumstats``: aggregate statistics of a line-format file, as the reference program prints them."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the report's lines as JSON instead.")
def sumstats(file: Path, as_json: bool) -> None:
    """Append gross and average statistics to the line-format FILE that ec57 -l or -L wrote."""
    from ecgdeploy.errors import DataError
    from ecgdeploy.scoring.ec57.aggregate import sumstats as summarize

    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"cannot open {file}: {error.strerror}", "write it with 'ecgdeploy ec57 -l'") from error
    report = summarize(text, str(file))
    if as_json:
        report = json.dumps({"file": str(file), "report": report.splitlines()}, indent=2) + "\n"
    click.echo(report, nl=False)
