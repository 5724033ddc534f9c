"""The command ``weir``: its commands, loaded when they are used, and what errors become.

Data goes to stdout, everything else to stderr. Exit codes: 0 good, 1 failed job or refused, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from weir.errors import WeirError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

#: Where each command lives, and its line in ``weir --help``.
_COMMANDS: Final = {
    "cancel": ("weir.cli.job_commands:cancel", "Stop a job for good, without a savepoint."),
    "checkpoints": ("weir.cli.job_commands:checkpoints", "List the checkpoints of a job."),
    "completion": ("weir.cli.completion:completion", "Print the completion script of a shell."),
    "config": ("weir.cli.config:config_group", "Explain settings and where they come from."),
    "diff": ("weir.cli.diff:diff", "Show what differs between two snapshots, key by key."),
    "doctor": ("weir.cli.doctor:doctor", "Judge what a job depends on: storage."),
    "fetch-code": ("weir.cli.errands:fetch_code_command", "Fetch and verify the code of a job."),
    "inspect": ("weir.cli.inspect:inspect", "Show what a checkpoint or savepoint holds."),
    "jobs": ("weir.cli.job_commands:jobs", "List jobs."),
    "profile": ("weir.cli.job_commands:profile", "Show where the time of a running job goes."),
    "rescale": ("weir.cli.job_commands:rescale", "Give a running job another parallelism."),
    "preflight": ("weir.cli.errands:preflight", "Try whether a job fits a snapshot."),
    "run": ("weir.cli.run:run", "Run a job on this machine."),
    "savepoint": ("weir.cli.job_commands:savepoint", "Take a savepoint of a job."),
    "plan": ("weir.cli.show_plan:plan", "Show the plan of a job, or what an apply would do."),
    "snapshots": (
        "weir.cli.errands:snapshots",
        "Look after the snapshots of a job at rest.",
    ),
    "serve": ("weir.cli.serve:serve", "Serve as a JobManager or a TaskManager (what pods run)."),
    "stop": ("weir.cli.job_commands:stop", "Stop a job with a savepoint."),
    "status": ("weir.cli.job_commands:status", "Show how a job fares."),
    "submit": ("weir.cli.submit:submit", "Apply a job to a cluster, its script included."),
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"no such command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        found = [CompletionItem(name, help=_COMMANDS[name][1]) for name in names]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])


_EPILOG: Final = (
    "Data goes to stdout, everything else to stderr; NO_COLOR is respected. Exit codes: 0 good, 1 failed job or refused, "
    "2 wrong usage, 130 interrupted."
)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
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
