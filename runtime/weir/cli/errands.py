"""What the operator's short-lived pods run: ``weir snapshots``, ``weir preflight`` and ``weir fetch-code``.

The answer is one line of JSON on stdout and in the container's termination message, from where the operator reads it; so
these pods need no way to the API server.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from weir.jobmanager.care.answers import Answer
    from weir.jobmanager.care.caretaking import Place

TERMINATION_MESSAGE: Final = "/dev/termination-log"

_resource = click.option(
    "--resource",
    metavar="FILE",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="StreamJob, as the operator writes it.",
)


@click.group()
def snapshots() -> None:
    """Look after a StreamJob's snapshots while nothing runs; the answer is one line of JSON."""


@snapshots.command("inspect")
@_resource
def inspect_snapshots(resource: str) -> int:
    """Tell where the log ends, and what a start from there restores."""
    from weir.jobmanager.care import caretaking

    return _answered(lambda: caretaking.inspect(_place(resource)))


@snapshots.command()
@_resource
@click.argument("paths", nargs=-1, required=True)
def delete(resource: str, paths: tuple[str, ...]) -> int:
    """Delete savepoints at PATHS that the operator made for this job."""
    from weir.jobmanager.care import caretaking

    return _answered(lambda: caretaking.delete(_place(resource), paths))


@snapshots.command()
@_resource
@click.option("--grace", default="1h", show_default=True, help="What is younger stays.")
@click.option("--dry-run", is_flag=True, help="Delete nothing, count what would go.")
def sweep(resource: str, grace: str, dry_run: bool) -> int:
    """Delete what nothing refers to in the folder of a job that has ended."""
    from weir.config.values import duration
    from weir.jobmanager.care import caretaking

    try:
        grace_ms = round(duration().parse(grace) * 1000)
    except ValueError:
        raise click.UsageError(f"--grace {grace}: expected a duration such as 1h or 30m") from None
    return _answered(lambda: caretaking.sweep(_place(resource), grace_ms, dry_run=dry_run))


@snapshots.command()
@_resource
def purge(resource: str) -> int:
    """Delete all that the operator's job left: checkpoints, its savepoints, its log."""
    from weir.jobmanager.care import caretaking

    return _answered(lambda: caretaking.purge(_place(resource)))


@click.command()
@_resource
@click.option("--from", "snapshot", metavar="PATH", help="Snapshot that the job is to start from.")
@click.option("--exact", is_flag=True, help="No newer checkpoint may speak for one that retention took.")
def preflight(resource: str, snapshot: str | None, exact: bool) -> int:
    """Try whether this image's job can be loaded and fits a snapshot; nothing is started."""
    from weir.cli.preflight import verdict

    return _answered(lambda: verdict(resource, snapshot, exact=exact))


@click.command("fetch-code")
@click.argument("uri")
@click.argument("sha256")
@click.argument("folder", type=click.Path(file_okay=False))
def fetch_code_command(uri: str, sha256: str, folder: str) -> int:
    """Fetch a job's code at URI, verify its SHA256, and unpack it into FOLDER."""
    from weir.cli.code_archive import fetch_code

    count = fetch_code(uri, sha256, folder)
    click.echo(f"weir: {count} files of {uri} are in {folder}", err=True)
    return 0


def _answered(work: Callable[[], Answer]) -> int:
    """Answer with what ``work`` gives, or with why there is nothing."""
    from weir.errors import WeirError
    from weir.jobmanager.care.answers import Fault, encoded

    code = 0
    try:
        answer = work()
    except WeirError as error:
        answer, code = Fault(error=str(error)), 1
    line = encoded(answer)
    click.echo(line.decode())
    if os.path.exists(TERMINATION_MESSAGE):
        with open(TERMINATION_MESSAGE, "wb") as file:
            file.write(line)
    return code


def _place(resource: str) -> Place:
    from weir.cli.served_job import cluster_job
    from weir.clock import SystemClock
    from weir.config import options
    from weir.errors import ConfigError
    from weir.jobmanager.care.caretaking import Place
    from weir.storage import open_storage

    spec, job = cluster_job(resource)
    if job is None:
        raise ConfigError(f"{resource}: metadata.uid is missing; it is the job's id")
    if spec.checkpoint_storage is None:
        raise ConfigError(f"{resource}: spec.storage.checkpoints is missing; there is no place for snapshots")
    savepoints = {**spec.defaults, **spec.overrides}.get(options.SAVEPOINT_DIRECTORY.key)
    return Place(spec, job, open_storage(spec.checkpoint_storage), savepoints, SystemClock())
