"""The commands that talk to a running JobManager by REST: jobs, status, profile, checkpoints, savepoint, stop, cancel, rescale."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from weir.cli.shared_options import output_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_F = TypeVar("_F", bound=Callable[..., Any])


def _complete_job(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    from weir.cli.rest_client import job_names

    typed = (ctx.params.get(name) for name in ("address", "token_file", "ca"))
    return [CompletionItem(name) for name in job_names(*typed) if name.startswith(incomplete)]


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
def profile(job: str, address: str | None, token_file: str | None, ca: str | None, output: str) -> None:
    """Show where the time of JOB (a name or an id) goes: by vertex, in shares.

    Its workers are looked at for five seconds: user code, state, serialisation, network, engine; waiting for credit of
    those behind, and for input, comes from clocks.
    """
    from weir.cli.profiling import show_profile
    from weir.cli.rest_client import Access

    show_profile(Access.of(address, token_file, ca), job, json=output == "json")


@click.command()
@job_argument
@access_options
@output_option
def cancel(job: str, address: str | None, token_file: str | None, ca: str | None, output: str) -> int:
    """Stop JOB (a name or an id) for good, without a savepoint."""
    from weir.cli.cancelling import cancel_job
    from weir.cli.rest_client import Access

    return cancel_job(Access.of(address, token_file, ca), job, json=output == "json")


directory_argument = click.argument("directory", metavar="[DIR]", required=False)
type_option = click.option(
    "--type",
    "format_type",
    type=click.Choice(["canonical", "native"]),
    default="canonical",
    help="Canonical: any state backend reads it (default). Native: the files of RocksDB as they are; only RocksDB reads it.",
)


@click.command()
@job_argument
@directory_argument
@type_option
@access_options
@output_option
def savepoint(
    job: str,
    directory: str | None,
    format_type: str,
    address: str | None,
    token_file: str | None,
    ca: str | None,
    output: str,
) -> int:
    """Take a savepoint of JOB (a name or an id) in a new folder below DIR; its path goes to stdout.

    Without DIR it goes below the folder that is configured (storage.savepoints).
    """
    from weir.cli.rest_client import Access
    from weir.cli.steering import take_savepoint

    access = Access.of(address, token_file, ca)
    return take_savepoint(access, job, directory, format_type, json=output == "json")


@click.command()
@job_argument
@directory_argument
@click.option("--drain", is_flag=True, help="End the input first: every event-time timer and window fires.")
@type_option
@access_options
@output_option
def stop(
    job: str,
    directory: str | None,
    drain: bool,
    format_type: str,
    address: str | None,
    token_file: str | None,
    ca: str | None,
    output: str,
) -> int:
    """Stop JOB (a name or an id) with a savepoint in a new folder below DIR; its path goes to stdout.

    Nothing is emitted after the savepoint. When it fails, the job goes on. Started again under its name, the job
    goes on from it.
    """
    from weir.cli.rest_client import Access
    from weir.cli.steering import stop_job

    access = Access.of(address, token_file, ca)
    return stop_job(access, job, directory, format_type, drain=drain, json=output == "json")


@click.command()
@job_argument
@click.argument("parallelism", metavar="N", type=click.IntRange(min=1))
@access_options
@output_option
def rescale(
    job: str, parallelism: int, address: str | None, token_file: str | None, ca: str | None, output: str
) -> int:
    """Give the running JOB (a name or an id) parallelism N, from a checkpoint taken for it."""
    from weir.cli.rest_client import Access
    from weir.cli.steering import rescale_job

    return rescale_job(Access.of(address, token_file, ca), job, parallelism, json=output == "json")
