"""``ecgdeploy completion``: a shell's completion script on stdout."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of SHELL (bash, zsh or fish).

    \b
    bash: ecgdeploy completion bash > ~/.local/share/bash-completion/completions/ecgdeploy
    zsh:  ecgdeploy completion zsh > "${fpath[1]}/_ecgdeploy"
    fish: ecgdeploy completion fish > ~/.config/fish/completions/ecgdeploy.fish
    """
    from click.shell_completion import get_completion_class

    from ecgdeploy.cli import app

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(app, {}, "ecgdeploy", "_ECGDEPLOY_COMPLETE").source())
