"""``ecgdeploy ec57``: compare two annotators beat by beat, with the options of the reference program bxb."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click


@click.command()
@click.option("--db", default=None, help="Folders with headers and annotations, separated by ':' (default: $WFDB).")
@click.option("-r", "record", required=True, help="Record name.")
@click.option("-a", "annotators", nargs=2, required=True, metavar="REF TEST", help="Reference and test annotator.")
@click.option("-c", "condensed", metavar="FILE", help="Append a condensed report to FILE.")
@click.option("-C", "condensed_sveb", metavar="FILE", help="As -c, with SVEB and RR interval statistics.")
@click.option("-l", "line", nargs=2, metavar="FILE1 FILE2", help="Append line-format reports (tables A.2 and A.3).")
@click.option("-L", "line_sveb", nargs=2, metavar="FILE1 FILE2", help="As -l, with SVEB and RR interval statistics.")
@click.option("-s", "standard", metavar="FILE", help="Append a standard report (table 3); - is standard output.")
@click.option("-S", "standard_sveb", metavar="FILE", help="As -s, with SVEB and RR interval statistics.")
@click.option("-f", "start", metavar="TIME", help="Begin at TIME (default: after five minutes).")
@click.option("-t", "end", metavar="TIME", help="Stop at TIME (default: end of record; 0: where either ends).")
@click.option("-w", "window", metavar="TIME", help="Match window (default: 0.15 seconds).")
@click.option("--json", "as_json", is_flag=True, help="Print counts and statistics as JSON instead.")
def ec57(
    db: str | None,
    record: str,
    annotators: tuple[str, str],
    start: str | None,
    end: str | None,
    window: str | None,
    as_json: bool,
    **outputs: str | tuple[str, str] | None,
) -> None:
    """Compare two annotators beat by beat (ANSI/AAMI EC57), as bxb does."""
    from ecgdeploy.errors import UsageError
    from ecgdeploy.scoring.ec57.run import compare_record
    from ecgdeploy.scoring.ec57.write import append_reports

    chosen = [(name, target) for name, target in outputs.items() if target]
    if len(chosen) > 1:
        raise UsageError("more than one of -c, -C, -l, -L, -s and -S", "ask for one report a call")
    folders = [Path(folder or ".") for folder in (db or os.environ.get("WFDB") or ".").split(":")]
    comparison = compare_record(folders, record, annotators, start=start, end=end, window=window)
    if start or end or window:
        click.echo("ec57: (warning) nonstandard comparison selected", err=True)
    if comparison.unterminated is not None:
        click.echo(f"ec57: shutdown from sample {comparison.unterminated} never ends and is not timed", err=True)
    if as_json:
        click.echo(json.dumps({"record": record, "annotators": annotators, **comparison.as_dict()}, indent=2))
        return
    kind, target = chosen[0] if chosen else ("standard", "-")
    targets = target if isinstance(target, tuple) else (target, "-")
    click.echo(append_reports(comparison, record, annotators, kind, targets), nl=False)
