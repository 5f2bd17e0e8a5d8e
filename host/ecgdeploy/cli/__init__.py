"""The command line: a lazy table of commands, so that ``--help`` imports nothing heavy.

Each command lives in its own module of this package. The library below raises; only this package prints and exits.
Results go to stdout, progress and messages to stderr.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from pathlib import Path

import click

from ecgdeploy import __version__
from ecgdeploy.errors import EcgDeployError

# name -> (module of this package, attribute, one-line help shown without importing the module)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("demo", "demo", "The whole journey in one command, on an emulated Nano 33 BLE."),
    "init": ("init", "init", "Begin a project with a model and recordings of one's own."),
    "data": ("data", "data", "ECG data sets: list, fetch, check, show."),
    "train": ("train", "train", "Train a model from a preset or a TOML file; resumes."),
    "pretrain": ("pretrain", "pretrain", "Pre-train an encoder on long recordings; resumes."),
    "prune": ("prune", "prune", "Prune a training run step by step: whole channels, or single weights."),
    "distill": ("distill", "distill", "Train a network on the answers of one or more trained ones."),
    "quantize": ("quantize", "quantize", "Make .tflite files of several precisions from a training run."),
    "zoo": ("zoo", "zoo", "Trained presets: list, show, make and verify their cards."),
    "study": ("study", "study", "Run and report the papers' experiments."),
    "fold": ("fold", "fold", "Fold Conv1D's EXPAND_DIMS and RESHAPE out of a model, with identical outputs."),
    "plan": ("plan", "plan", "Print and draw how a model would run: schedule and memory."),
    "cost": ("cost", "cost", "MACs, bytes and the energy proxy of models beside their measured instructions."),
    "preflight": ("preflight", "preflight", "Does a model fit a board: operators, precision, flash, RAM, arena."),
    "verify": ("verify", "verify", "Hold the generated C against TFLM, layer by layer on demand."),
    "build": ("build", "build", "Build the firmware of a model for a board, or for its emulated twin."),
    "flash": ("flash", "flash", "Write a built project to its board, and prove that the board runs it."),
    "ports": ("ports", "ports", "List the serial ports, with the boards recognised."),
    "measure": ("measure", "measure", "Measure a model on a board over a whole test set."),
    "report": ("report", "report", "One page and a Markdown summary of one or several runs, compared."),
    "gate": ("gate", "gate", "Does a run reach its gates? Exit code 1 when one is missed."),
    "bundle": ("bundle", "bundle", "Pack a run as evidence: report, results, SBOM, gates and verdicts, checksums."),
    "compare": ("compare", "compare", "Compare two measurements, or say why they cannot be compared."),
    "pareto": ("pareto", "pareto", "The Pareto front of measured models: quality, flash, RAM, cost."),
    "advise": ("pareto", "advise", "The best measured model that fits a board, and why the next one does not."),
    "diff": ("diff", "diff", "Compare a device's answers with TFLM's; find the first operator that differs."),
    "bench": ("bench", "bench", "Cost and correctness of models on the emulated Cortex-M4F."),
    "ec57": ("ec57", "ec57", "Compare two annotators beat by beat (ANSI/AAMI EC57)."),
    "sumstats": ("sumstats", "sumstats", "Gross and average statistics of EC57 line reports."),
    "boards": ("boards", "boards", "List the boards, or show one board's facts."),
    "tflm": ("tflm", "tflm", "TensorFlow Lite Micro as a dependency: get its repository, check a library."),
    "doctor": ("doctor", "doctor", "Check the tools: found, version, what for, how to install."),
    "completion": ("completion", "completion", "Print the completion script of bash, zsh or fish."),
}

PROJECT_FILE = "ecgdeploy.toml"
#: in a folder with a project file, these take from it what is not given
PROJECT_COMMANDS = ("train", "quantize", "build", "flash", "measure", "report", "gate", "bundle", "verify")


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        return getattr(importlib.import_module(f"ecgdeploy.cli.{module}"), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[2]) for name, entry in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from ecgdeploy.errors import unknown

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise unknown("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="ecgdeploy")
@click.pass_context
def app(context: click.Context) -> None:
    """Put ECG models on small devices, and prove what they do there."""
    if Path(PROJECT_FILE).is_file() and context.invoked_subcommand in PROJECT_COMMANDS:
        from ecgdeploy.cli.project import defaults_of

        context.default_map = defaults_of(context.invoked_subcommand)


def main() -> None:
    """Run the command line; user errors become one line on stderr and their exit code."""
    try:
        # without standalone mode click returns the code of ctx.exit() instead of ending the process
        code = app.main(prog_name="ecgdeploy", standalone_mode=False)
        if isinstance(code, int) and code:
            sys.exit(code)
    except EcgDeployError as error:
        click.echo(f"ecgdeploy: {error.message}" + (f"; {error.hint}" if error.hint else ""), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        help_command = f"{context.command_path if context else 'ecgdeploy'} --help"
        click.echo(f"ecgdeploy: {error.format_message()} See '{help_command}'", err=True)
        sys.exit(2)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("ecgdeploy: interrupted; what was finished is kept, the same command goes on "
                   "(measure: with --resume)", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if os.environ.get("ECGDEPLOY_TRACEBACK"):
            raise
        click.echo(f"ecgdeploy: {_of_the_system(error)}", err=True)
        sys.exit(2)


#: what to do about what the file system says
REMEDIES = {
    errno.ENOSPC: "free the disk, then run the same command again (measure: with --resume)",
    errno.EDQUOT: "free the disk, then run the same command again (measure: with --resume)",
    errno.EACCES: "make it readable and writable for you, or give another path",
    errno.EPERM: "make it readable and writable for you, or give another path",
    errno.EROFS: "give a path that can be written",
    errno.EEXIST: "it is a file where a folder is wanted: give another path",
    errno.ENOTDIR: "it is a file where a folder is wanted: give another path",
    errno.EISDIR: "it is a folder where a file is wanted: give another path",
    errno.ENOENT: "give a path that exists",
    errno.ENAMETOOLONG: "give a shorter path",
}


def _of_the_system(error: OSError) -> str:
    """What the file system refused, in one line: the path, the reason, what to do."""
    # shutil names the copy's source first, and it is the target that could not be written
    path = error.filename2 or error.filename
    words = " ".join((error.strerror or str(error) or type(error).__name__).split())
    line = f"{path}: {words}" if path is not None else words
    remedy = REMEDIES.get(error.errno or 0, "ECGDEPLOY_TRACEBACK=1 shows where it happened")
    return f"{line}; {remedy}"
