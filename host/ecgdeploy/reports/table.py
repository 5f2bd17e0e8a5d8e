"""The measurement as a terminal table: how well, how fast, in how much memory, and whether to believe it."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ecgdeploy.measure.validity import invalid

NOT_A_TIME = "instructions counted by the emulator (QEMU -icount): exact and repeatable, not a time"


def percent(value: float | None) -> str:
    """A fraction as a percentage; an absent class (None or NaN) as a dash."""
    return "-" if value is None or value != value else f"{100 * value:.2f}"


def thousands(value: int) -> str:
    """1234567 as 1,234,567."""
    return f"{value:,}"


def render(result: dict[str, Any]) -> RenderableType:
    """Rich renderable of a result (``MeasureResult.as_dict()``)."""
    parts = [_headline(result), _scores(result), _confusion(result), _cost(result), _verdict(result)]
    if "ec57" in result["extra"]:
        parts.append(_ec57(result["extra"]["ec57"]["gross"]))
    return Group(*parts)


def print_result(result: dict[str, Any], console: Console | None = None) -> None:
    """Print a result to stdout, or to `console`."""
    (console or Console()).print(render(result))


def _headline(result: dict[str, Any]) -> Text:
    p = result["provenance"]
    where = f"{p['board']} (emulated: {p['twin']})" if p["emulated"] else p["board"]
    lines = [
        f"{p['model']} {p['model_sha256'][:12]}  on  {where}  engine {p['engine']}  build {p['build_id'][:12]}",
        f"{p['source']}: {p['windows']:,} windows of {p['records']} records, split {p['split']}",
    ]
    if p["synthetic"]:
        lines.append("SYNTHETIC ECG: these figures say nothing about patients")
    return Text("\n".join(lines), style="bold")


def score_rows(result: dict[str, Any]) -> list[tuple[str, list[float | None]]]:
    """Label and one value a column for every score: per class first, then the totals."""
    columns = list(result["columns"].values())
    if "confusion" in columns[0]:
        rows = [(f"{measure} {cls}", [c["per_class"][k][key] for c in columns])
                for k, cls in enumerate(result["classes"])
                for measure, key in (("Se", "sensitivity"), ("+P", "positive_predictivity"), ("F1", "f1"))]
        totals = (("accuracy", "accuracy"), ("macro F1", "macro_f1"))
    else:
        rows = [(f"AUC {cls}", [c["per_class"][k]["auc"] for c in columns]) for k, cls in enumerate(result["classes"])]
        totals = (("macro AUC", "macro_auc"), ("macro F1 (threshold 0.5)", "macro_f1"))
    return rows + [(label, [c[key] for c in columns]) for label, key in totals]


def interval_rows(result: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """95 % bootstrap intervals of the totals, as text; whole records were drawn."""
    columns = list(result["columns"].values())
    names = {"accuracy": "accuracy", "macro_f1": "macro F1", "macro_auc": "macro AUC"}
    return [
        (f"{name}, 95 % interval", [_span(column.get("intervals", {}).get(key)) for column in columns])
        for key, name in names.items()
        if any(key in column.get("intervals", {}) for column in columns)
    ]


def _span(interval: dict[str, Any] | None) -> str:
    return "-" if interval is None else f"{percent(interval['low'])} to {percent(interval['high'])}"


def _scores(result: dict[str, Any]) -> Table:
    table = Table(title="Classification (per cent)", title_justify="left")
    table.add_column("")
    for name in result["columns"]:
        table.add_column(name, justify="right")
    for label, values in score_rows(result):
        table.add_row(label, *map(percent, values), style="bold" if label.startswith(("accuracy", "macro")) else "")
    for label, spans in interval_rows(result):
        table.add_row(label, *spans)
    return table


def _confusion(result: dict[str, Any]) -> RenderableType:
    name = next(iter(result["columns"]))
    column = result["columns"][name]
    if "confusion" not in column:
        return Text("")
    # not the table's own title, which wraps to the width of the table
    title = Text(f"Confusion matrix, {name} (rows: annotated, columns: predicted)", style="italic")
    table = Table()
    table.add_column("")
    for cls in result["classes"]:
        table.add_column(cls, justify="right")
    for cls, row in zip(result["classes"], column["confusion"], strict=True):
        table.add_row(cls, *map(thousands, row))
    return Group(title, table)


def _cost(result: dict[str, Any]) -> Table:
    latency, memory = result["latency"], result["memory"]
    table = Table(title="Cost on the board", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("of", justify="right")
    unit = latency["unit"]
    if latency["reason"]:
        table.add_row(f"{unit} per inference", latency["reason"], "")
    else:
        for key in ("minimum", "median", "maximum"):
            table.add_row(f"{unit} per inference, {key}", thousands(latency[key]), "")
    for label, text in on_board_rows(result["extra"].get("on_board")):
        table.add_row(label, text, "")
    if memory is None:
        table.add_row("flash and RAM", "not measured: the board has an operating system", "")
        return table
    table.add_section()
    table.add_row("flash, bytes", thousands(memory["flash_total"]), thousands(memory["flash_limit"]), style="bold")
    for part, size in sorted(memory["flash_parts"].items(), key=lambda item: -item[1]):
        table.add_row(f"  {part}", thousands(size), "")
    table.add_row("RAM, bytes", thousands(memory["ram_total"]), thousands(memory["ram_limit"]), style="bold")
    for part, size in sorted(memory["ram_parts"].items(), key=lambda item: -item[1]):
        table.add_row(f"  static: {part}", thousands(size), "")
    table.add_row("  stack high-water", thousands(memory["stack_high_water"]), "")
    return table


def on_board_rows(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Label and text of what a Linux board measured of itself; nothing for any other board."""
    if found is None:
        return []
    if found["latency"] is None:
        return [("on-board benchmark", found["reason"])]
    latency, energy = found["latency"], found["energy"]
    rows = [(f"ms per inference on the board, {key}", f"{latency[f'{key}_ns'] / 1e6:.3f}")
            for key in ("median", "p95", "p99")]
    rows.append(("inferences timed on the board", thousands(latency["iterations"])))
    rows.append(("peak memory, bytes", thousands(found["peak_rss_bytes"])))
    joule, source = energy["millijoule_per_inference"], energy["source"]
    return [*rows, ("mJ per inference", source if joule is None else f"{joule:.3f} ({source})")]


def _verdict(result: dict[str, Any]) -> Text:
    exact, latency = result["bit_exact"], result["latency"]
    same = exact["identical"] == exact["compared"]
    text = Text()
    text.append(f"bit-identical outputs: {exact['identical']:,} of {exact['compared']:,}",
                style="bold green" if same else "bold red")
    text.append(f"  (reference: {result['provenance']['golden']})\n")
    state = result["extra"].get("board_state", {}).get("after")
    if state:
        power = "unavailable" if state["power_mw"] is None else f"{state['power_mw']:,.0f} mW"
        text.append(f"power: {power} ({state['power']}); throttling: {state['throttling']}\n")
    for other in result["extra"].get("agreement", []):
        text.append(
            f"{other['source']}: {other['identical']:,} of {other['windows']:,} windows identical, "
            f"{other['differing']:,} of {other['values']:,} values differ, by {other['largest']:g} at most; "
            f"same class in {percent(other['same_class'])} %\n"
        )
    if latency["unit"] == "instructions":
        text.append(NOT_A_TIME + "\n", style="dim")
    link = result.get("link") or {}
    if link.get("goodput") is not None and link.get("host_ms_per_inference") is not None:
        text.append(f"link: {percent(link['goodput'])} % payload, {link['host_ms_per_inference']:.3f} ms of host time "
                    f"an inference, {link['retries']} repetitions\n", style="dim")
    for code in invalid(result["validity"]):
        text.append(f"INVALID: {code}\n", style="bold red")
    return text


def _ec57(gross: dict[str, Any]) -> Table:
    table = Table(title="ANSI/AAMI EC57, device against reference, gross (per cent)", title_justify="left")
    table.add_column("")
    for column in ("Se", "+P", "FPR"):
        table.add_column(column, justify="right")
    for beat in ("qrs", "veb", "sveb"):
        rate = gross.get(f"{beat}_false_positive_rate")
        table.add_row(beat.upper(), percent(gross[f"{beat}_sensitivity"]),
                      percent(gross[f"{beat}_positive_predictivity"]), percent(rate))
    return table
