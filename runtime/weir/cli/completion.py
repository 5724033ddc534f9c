"""``weir completion``: the script by which a shell completes commands, options and paths.

The script calls ``weir`` itself with what was typed; click answers from the declarations of the commands.
"""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")
_HOW = {
    "bash": 'eval "$(weir completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(weir completion zsh)"   # in ~/.zshrc',
    "fish": "weir completion fish | source   # in ~/.config/fish/config.fish",
}


@click.command(epilog="\b\n" + "\n".join(_HOW.values()))
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of SHELL."""
    from click.shell_completion import ShellComplete, get_completion_class

    from weir.cli.main import weir

    kind = get_completion_class(shell)
    assert kind is not None
    # Not kind.source(): for bash it starts another bash, to look at its version.
    click.echo(ShellComplete.source(kind(weir, {}, "weir", "_WEIR_COMPLETE")))
