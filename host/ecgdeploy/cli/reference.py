"""The reference pages of the docs, rendered from the code: ``make docs`` writes them, a test fails when one drifts."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

COMMAND = "make docs"


def pages() -> dict[str, str]:
    """Path in the clone -> text, of every generated page."""
    from ecgdeploy.graph.operators import as_markdown

    return {
        "docs/reference/commands.md": commands(),
        "docs/reference/boards.md": boards(),
        "docs/reference/errors.md": errors(),
        "docs/reference/project-file.md": project_file(),
        "docs/reference/operators.md": as_markdown(),
    }


def _head(title: str, source: str) -> list[str]:
    return [f"# {title}", "", f"Rendered from {source} by `{COMMAND}`; a test fails when this page drifts.", ""]


def commands() -> str:
    """Every command with its arguments and options."""
    from ecgdeploy.cli import COMMANDS, PROJECT_COMMANDS, app

    lines = _head("Commands", "the command line")
    lines += [
        "Exit codes: [errors.md](errors.md). In a folder with an `ecgdeploy.toml` ([its keys](project-file.md)) these",
        f"take from it what is not given: {', '.join(f'`{name}`' for name in PROJECT_COMMANDS)}.",
        "",
    ]
    context = click.Context(app, info_name="ecgdeploy")
    for name in COMMANDS:
        command = app.get_command(context, name)
        assert command is not None
        lines += _command(command, context, name)
    return "\n".join(lines)


def _command(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (f"## {context.command_path}", "", f"    {context.command_path} {usage}", "")
    yield from (" ".join(inspect.cleandoc(command.help or "").split()), "")
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    if options:
        yield from ("| option | |", "|---|---|")
        for option in options:
            yield _option(option, context)
        yield ""
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            inner = command.get_command(context, sub)
            assert inner is not None
            yield from _command(inner, context, sub)


def _option(option: click.Option, context: click.Context) -> str:
    names = ", ".join((*option.opts, *option.secondary_opts))
    if not option.is_flag and not option.count:
        names += f" {option.make_metavar(context)}"
    facts = []
    if option.required:
        facts.append("required")
    if option.multiple:
        facts.append("may be repeated")
    if option.show_default and option.default is not None and not callable(option.default):
        facts.append(f"default: {option.default}")
    text = " ".join((option.help or "").split()) + (f" ({', '.join(facts)})" if facts else "")
    return f"| `{names}` | {text} |" if "|" not in names + text else f"| `{_bar(names)}` | {_bar(text)} |"


def _bar(text: str) -> str:
    """A bar within a cell of a table."""
    return text.replace("|", "\\|")


def boards() -> str:
    """Every board with its limits and engines."""
    from ecgdeploy.boards import board_names, load_board

    lines = _head("Boards", "`boards/*.toml`, which say of each fact where it was looked up (`ecgdeploy boards NAME`)")
    columns = ("board", "", "core", "MHz", "flash, bytes", "RAM, bytes (usable)", "engines", "emulated", "twin")
    lines += [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for board in map(load_board, board_names()):
        memory = board.memory
        flash = f"{memory.flash.bytes:,}" if memory else "-"
        ram = f"{memory.ram.bytes:,} ({memory.ram.usable:,})" if memory else "-"
        cells = (
            f"`{board.name}`", board.title, board.core.cpu, str(board.core.clock_hz // 1_000_000), flash, ram,
            ", ".join(board.engines.hardware), ", ".join(board.engines.emulated), _twin(board),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "The first engine is the default. Add one: [a new board](../howto/new-board.md).", ""]
    return "\n".join(lines)


def _twin(board: Any) -> str:
    facts = board.twin.model_dump() if board.twin else {}
    return " ".join(str(facts[key]) for key in ("emulator", "machine", "cpu") if facts.get(key))


def errors() -> str:
    """Exit codes and the kinds of error."""
    from ecgdeploy import errors as tree

    kinds = [kind for kind in vars(tree).values() if isinstance(kind, type) and issubclass(kind, tree.EcgDeployError)]
    lines = _head("Errors", "`ecgdeploy.errors`")
    lines += [
        "Commands that cannot do what was asked print one line on stderr, `ecgdeploy: what is wrong; what to do`, and",
        "end with one of these codes. A traceback is a defect.",
        "",
        "| exit code | kind | when |",
        "|---|---|---|",
        "| 0 | | done |",
    ]
    for kind in sorted(kinds[1:], key=lambda kind: (kind.exit_code, kind.__name__)):
        said = inspect.cleandoc(kind.__doc__ or "").splitlines()[0]
        lines.append(f"| {kind.exit_code} | `{kind.__name__}` | {said} |")
    lines += [
        "| 2 | | an option or argument that the command does not have |",
        "| 130 | | interrupted; what was finished is kept |",
        "",
        "What a device may answer is in [the protocol](../protocol.md).",
        "",
    ]
    return "\n".join(lines)


def project_file() -> str:
    """Every key of ``ecgdeploy.toml``."""
    from ecgdeploy.ecg.own import schema
    from ecgdeploy.workspace import project

    parts: tuple[tuple[str, Any], ...] = (
        ("", project.ProjectFile), ("model", project.ModelPart), ("data", schema.DataPart),
        ("data.labels", schema.LabelFile), ("task", schema.TaskPart), ("preprocessing", schema.PreprocessingPart),
        ("split", schema.SplitPart), ("quantize", project.QuantizePart), ("board", project.BoardPart),
        ("measure", project.MeasurePart),
    )  # fmt: skip
    lines = _head("The project file", "the types that check it")
    lines += [
        "`ecgdeploy init` writes one; [own-data.md](../howto/own-data.md) explains it. `[train]` takes the keys of",
        "`ecgdeploy train --show-schema` that the rest of the file does not decide.",
        "",
    ]
    for table, kind in parts:
        said = inspect.cleandoc(kind.__doc__ or "").splitlines()[0]
        lines += [f"## {f'[{table}]' if table else 'Top'}", "", said, "", "| key | | default |", "|---|---|---|"]
        for name, field in kind.model_fields.items():
            if field.description is None and name != "schema_version":
                continue
            default = "required" if field.is_required() else "" if field.default is None else _toml(field)
            text = field.description or "of this file's format"
            lines.append(f"| `{field.alias or name}` | {text} | {default} |")
        lines.append("")
    steps = _steps()
    lines += ["## preprocessing.steps", "", "| kind | fields |", "|---|---|"]
    lines += [f"| `{kind}` | {fields} |" for kind, fields in sorted(steps.items())]
    return "\n".join([*lines, ""])


def _toml(field: Any) -> str:
    import json

    default = field.get_default(call_default_factory=True)
    return f"`{json.dumps(list(default) if isinstance(default, tuple) else default)}`"


def _steps() -> dict[str, str]:
    import dataclasses

    from ecgdeploy.ecg import preprocessing

    named: list[Any] = [vars(preprocessing)[name] for name in preprocessing.__all__]
    steps = [step for step in named if getattr(step, "kind", "")]
    return {
        step.kind: ", ".join(
            field.name + ("" if field.default is dataclasses.MISSING else f" = {field.default}")
            for field in dataclasses.fields(step)
        )
        or "-"
        for step in steps
    }


def main(root: Path) -> None:
    """Write every page, the protocol's too."""
    from ecgdeploy.link import render
    from ecgdeploy.provenance import write_atomic

    for name, text in pages().items():
        write_atomic(root / name, text)
    render.render(root)


if __name__ == "__main__":
    main(Path.cwd())
