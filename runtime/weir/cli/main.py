"""The command ``weir``: its commands, loaded when they are used, and what errors become.

Data goes to stdout, everything else to stderr. Exit codes: 0 good, 1 failed job or refused, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Final

import click

from weir.errors import WeirError

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

#: Where each command lives, and its line in ``weir --help``.
_COMMANDS: Final = {
    "config": ("weir.cli.config:config", "Explain settings and where they come from."),
    "inspect": ("weir.cli.inspect:inspect", "Show what a checkpoint or savepoint holds."),
    "run": ("weir.cli.run:run", "Run a job on this machine."),
    "plan": ("weir.cli.show_plan:plan", "Show the plan of a job."),
    "serve": ("weir.cli.serve:serve", "Serve as a JobManager or a TaskManager (what pods run)."),
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that ``weir --help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = _COMMANDS.get(cmd_name)
        if known is None:
            return None
        module, _, name = known[0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="weir-stream", prog_name="weir")
def weir() -> None:
    """Weir: a stateful stream processor for Python."""


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code. Errors that are meant for people become one message on stderr."""
    try:
        code = weir.main(args=list(arguments), prog_name="weir", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        click.echo("weir: interrupted", err=True)
        return INTERRUPTED
    except WeirError as error:
        click.echo(f"weir: {error}", err=True)
        trace = getattr(error, "user_traceback", "")
        if trace:
            click.echo(trace.rstrip(), err=True)
        return FAILED
    return code if isinstance(code, int) else 0
