"""``ecgdeploy data``: the ECG data sets: which there are, fetching, checking and looking at them."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def data() -> None:
    """ECG data sets: list, fetch, check, show."""


@data.command("list")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def list_(as_json: bool) -> None:
    """List the data sets, where they are on this machine, and the tasks made of them."""
    from dataclasses import asdict

    from ecgdeploy.ecg.datasets import DATASETS, here
    from ecgdeploy.ecg.locate import data_roots
    from ecgdeploy.ecg.tasks import TASKS

    places = {key: here(entry) for key, entry in DATASETS.items()}
    if as_json:
        rows = [asdict(entry) | {"here": str(places[key]) if places[key] else None} for key, entry in DATASETS.items()]
        click.echo(json.dumps(rows, indent=2))
        return
    for key, entry in DATASETS.items():
        place = str(places[key]) if places[key] else "not here" + ("" if entry.physionet else " (not on PhysioNet)")
        click.echo(f"{key:<11} {entry.records:>8,} records  {entry.signals}")
        click.echo(f"{'':<11} {entry.title} {entry.version}, {entry.licence}, doi:{entry.doi}: {place}")
    click.echo(f"looked in: {', '.join(map(str, data_roots()))}")
    click.echo(f"tasks: {', '.join(name for name in TASKS if not name.endswith('-synthetic'))}")
    click.echo("each task also as NAME-synthetic, which needs no data")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def check(folder: Path, as_json: bool) -> None:
    """Verify the data sets in FOLDER: sums, headers, every record, counts. Exit code 2 when one is damaged."""
    from ecgdeploy.cli.progress import progress
    from ecgdeploy.ecg.checks import check_folder
    from ecgdeploy.errors import DataError

    with progress() as report:
        found = check_folder(folder, report)
    if as_json:
        click.echo(json.dumps([entry.to_dict() for entry in found], indent=2))
    for entry in () if as_json else found:
        counts = "".join(f", {value:,} {name}" for name, value in entry.counts.items())
        verdict = f"FAULTS: {len(entry.faults)}" if entry.faults else "no fault"
        click.echo(f"{entry.key}: {entry.records:,} of {entry.published:,} records{counts}: {verdict}")
        for fault in entry.faults:
            click.echo(f"  FAULT {fault.file}: {fault.text.removeprefix(Path(fault.file).name + ': ')}")
        for oddity in entry.oddities:
            click.echo(f"  known: {oddity.text}{': ' if oddity.items else ''}{'; '.join(oddity.items)}")
    faults = sum(len(entry.faults) for entry in found)
    if faults:
        raise DataError(f"{folder}: {faults} fault{'s' if faults > 1 else ''}", "copy the named files again")


@data.command()
@click.argument("name")
@click.option("--to", type=click.Path(path_type=Path), help="Folder; by default where ecgdeploy looks for data.")
@click.option("--only", multiple=True, help="Only files that match: '100.*', '*' for all.")
@click.option("--base-url", help="A mirror's address of this data set, instead of PhysioNet's.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def fetch(name: str, to: Path | None, only: tuple[str, ...], base_url: str | None, as_json: bool) -> None:
    """Download data set NAME, or continue; every file is verified against its published SHA-256 sum."""
    from ecgdeploy.cli.progress import transfer_progress
    from ecgdeploy.ecg import fetch as fetching
    from ecgdeploy.ecg.datasets import dataset
    from ecgdeploy.ecg.locate import data_roots

    entry = dataset(name)
    folder = to or data_roots()[0] / entry.folder
    with transfer_progress() as report:
        done = fetching.fetch(entry, folder, only=only, base_url=base_url, progress=report)
    if as_json:
        facts = {"folder": str(done.folder), "received": len(done.received), "kept": len(done.kept)}
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(f"{entry.key}: {len(done.received)} files received, {len(done.kept)} were there; every sum is right")
    click.echo(f"in {done.folder}")


@data.command()
@click.argument("dataset")
@click.argument("record")
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Where the data set is.")
@click.option("--start", type=float, default=0.0, show_default=True, help="First second to draw.")
@click.option("--seconds", type=float, help="How long; 10 s by default.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Draw into this .png, .svg, .pdf or .html file.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def show(
    dataset: str,
    record: str,
    folder: Path | None,
    start: float,
    seconds: float | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Show RECORD of DATASET (or of 'synthetic'): its facts, and with -o its ECG on paper with its annotations."""
    from ecgdeploy.ecg import draw

    shown = draw.read_record(dataset, record, folder)
    if output is not None:
        draw.save(shown, output, start, seconds)
    facts = draw.facts(shown) | ({"drawn": str(output)} if output else {})
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        click.echo(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


@data.command()
@click.argument("task")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Where the data set is.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the C header here, not to stdout.")
def export(task: str, model: Path, folder: Path | None, output: Path | None) -> None:
    """Write the preprocessing of TASK for the int8 .tflite MODEL as a C header, for firmware that starts from mV."""
    from ecgdeploy.ecg.tasks import load_task
    from ecgdeploy.errors import ModelError
    from ecgdeploy.graph import read_tflite
    from ecgdeploy.provenance import write_atomic

    graph = read_tflite(model)
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.dtype != "int8" or tensor.quantization is None:
        raise ModelError(f"{model.name}: its input is {tensor.dtype}", "export for a full-int8 model")
    loaded = load_task(task, folder)
    quantization = tensor.quantization
    made = loaded.device_preprocessing(quantization.scale, quantization.zero_point)
    text = made.export_header(loaded.input_shape[1])
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomic(output, text)


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--synthetic", is_flag=True, help="Synthetic records even where MIT-BIH is on this machine.")
def sample(folder: Path, synthetic: bool) -> None:
    """Fill FOLDER with 12 WFDB records to try things on: MIT-BIH's where it is on this machine, else synthetic ones."""
    from ecgdeploy.ecg.own.sample import write_sample

    click.echo(f"{folder}: {write_sample(folder, synthetic)}")
