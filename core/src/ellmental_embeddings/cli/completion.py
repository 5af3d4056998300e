"""``ellmental completion``: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a SHELL.

    \b
    Examples:
      eval "$(ellmental completion bash)"      in ~/.bashrc
      eval "$(ellmental completion zsh)"       in ~/.zshrc
      ellmental completion fish > ~/.config/fish/completions/ellmental.fish
    """  # noqa: D301 - click's own mark for lines to keep
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # click knows every shell of the choice above
    script = kind(ctx.find_root().command, {}, "ellmental", "_ELLMENTAL_COMPLETE")
    click.echo(script.source())
