"""``weir jobs``, ``status``, ``checkpoints`` and ``cancel``: the commands that talk to a running JobManager by REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from weir.cli.shared_options import output_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_F = TypeVar("_F", bound=Callable[..., Any])


def _complete_job(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    from weir.cli.rest_client import job_names

    return [CompletionItem(name) for name in job_names() if name.startswith(incomplete)]


def access_options(command: _F) -> _F:
    """``--address``, ``--token-file`` and ``--ca``."""
    for option in (
        click.option("--ca", metavar="FILE", type=click.Path(), help="Certificates to trust, for https."),
        click.option(
            "--token-file", metavar="FILE", type=click.Path(), help="Bearer token. Default: $WEIR_TOKEN."
        ),
        click.option(
            "--address",
            metavar="ADDRESS",
            help="HOST:PORT or URL of the JobManager. Default: $WEIR_ADDRESS, else the one on this machine.",
        ),
    ):
        command = option(command)
    return command


job_argument = click.argument("job", shell_complete=_complete_job)


@click.command()
@access_options
@output_option
def jobs(address: str | None, token_file: str | None, ca: str | None, output: str) -> None:
    """List jobs."""
    from weir.cli import job_reports
    from weir.cli.rest_client import Access

    job_reports.show_jobs(Access.of(address, token_file, ca), json=output == "json")


@click.command()
@job_argument
@access_options
@output_option
def status(job: str, address: str | None, token_file: str | None, ca: str | None, output: str) -> None:
    """Show how JOB (a name or an id) fares."""
    from weir.cli import job_reports
    from weir.cli.rest_client import Access

    job_reports.show_status(Access.of(address, token_file, ca), job, json=output == "json")


@click.command()
@job_argument
@access_options
@output_option
def checkpoints(job: str, address: str | None, token_file: str | None, ca: str | None, output: str) -> None:
    """List the checkpoints of JOB (a name or an id)."""
    from weir.cli import job_reports
    from weir.cli.rest_client import Access

    job_reports.show_checkpoints(Access.of(address, token_file, ca), job, json=output == "json")


@click.command()
@job_argument
@access_options
@output_option
def cancel(job: str, address: str | None, token_file: str | None, ca: str | None, output: str) -> int:
    """Stop JOB (a name or an id) for good, without a savepoint."""
    from weir.cli.cancelling import cancel_job
    from weir.cli.rest_client import Access

    return cancel_job(Access.of(address, token_file, ca), job, json=output == "json")
