"""``ecgdeploy bundle``: a run as evidence in one file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--gates", "path", type=click.Path(path_type=Path), help="Gates file [default: the run's own].")
@click.option("--output", type=click.Path(path_type=Path), help="The file to write [default: RUN.zip].")
@click.option("--verify", is_flag=True, help="RUN is a bundle: hold every file in it against its sums.")
def bundle(run: Path, path: Path | None, output: Path | None, verify: bool) -> None:
    """Pack the run in folder RUN: report, results, manifests, SBOM, gates with verdicts, and checksums."""
    from ecgdeploy.cli.gate import of_run
    from ecgdeploy.measure.compare import read_result
    from ecgdeploy.provenance import sha256_bytes
    from ecgdeploy.reports import bundle as bundles

    if verify:
        names = bundles.check(run)
        click.echo(f"{run}: {len(names)} files, all as they were packed")
        return
    result = read_result(run)
    gates = of_run(result, path) if path or "gates" in result["provenance"] else None
    content = bundles.pack(run, result, gates)
    target = output or run.with_name(run.name + ".zip")
    bundles.write(target, content)
    click.echo(f"{target}  {len(content):,} bytes  sha256 {sha256_bytes(content)}")
