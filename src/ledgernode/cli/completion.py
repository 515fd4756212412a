"""Shell completion, as a script to be sourced."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ledgernode.cli.root import COMPLETE_VARIABLE, PROGRAM


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(ledgernode completion bash)"          in ~/.bashrc
    zsh:   eval "$(ledgernode completion zsh)"           in ~/.zshrc
    fish:  ledgernode completion fish > ~/.config/fish/completions/ledgernode.fish
    """
    completer = get_completion_class(shell)
    assert completer is not None, "the choices above are the shells click knows"
    click.echo(completer(ctx.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source())
