"""``ecgdeploy bundle``: a run as evidence in one file."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--gates", "path", type=click.Path(path_type=Path), help="Gates file [default: the run's own].")
@click.option("--output", type=click.Path(path_type=Path), help="The file to write [default: RUN.zip].")
@click.option("--verify", is_flag=True, help="RUN is a bundle: hold every file in it against its sums.")
@click.option("--json", "as_json", is_flag=True, help="Print the file, its size and its hash as JSON.")
def bundle(run: Path, path: Path | None, output: Path | None, verify: bool, as_json: bool) -> None:
    """Pack the run in folder RUN: report, results, manifests, SBOM, gates with verdicts, and checksums."""
    from ecgdeploy.cli.gate import of_run
    from ecgdeploy.measure.compare import read_result
    from ecgdeploy.provenance import sha256_bytes
    from ecgdeploy.reports import bundle as bundles

    if verify:
        names = bundles.check(run)
        if as_json:
            click.echo(json.dumps({"bundle": str(run), "files": len(names), "intact": True}, indent=2))
        else:
            click.echo(f"{run}: {len(names)} files, all as they were packed")
        return
    result = read_result(run)
    gates = of_run(result, path) if path or "gates" in result["provenance"] else None
    content = bundles.pack(run, result, gates)
    target = output or run.with_name(run.name + ".zip")
    bundles.write(target, content)
    if as_json:
        found = {"bundle": str(target), "bytes": len(content), "sha256": sha256_bytes(content)}
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(f"{target}  {len(content):,} bytes  sha256 {sha256_bytes(content)}")
