"""``weir serve``: the long-running processes, as pods and scripts start them."""

from __future__ import annotations

import re

import click

_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")


@click.group()
def serve() -> None:
    """Serve as a JobManager or a TaskManager until SIGTERM."""


@serve.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=6123,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--job", type=click.Path(exists=True), default=None, help="File with an encoded job to start.")
@click.option(
    "--resource",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="StreamJob to run, as the operator writes it; its uid is the job's id.",
)
@click.option(
    "--start",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="How the operator wants the job of --resource to begin, as JSON.",
)
@click.option(
    "--standby", is_flag=True, help="Plan the job of --resource, but wait with it for POST /activate."
)
@click.option(
    "--run", default="local", show_default=True, help="Names the workloads that this process is in."
)
@click.option(
    "--address",
    metavar="HOST:PORT",
    help="Where REST is served. Default: 127.0.0.1:8081 or the next free port.",
)
@click.option(
    "--rest-token-file",
    metavar="FILE",
    type=click.Path(),
    help="Bearer token that REST asks for; needed on an address that others can reach.",
)
@click.option(
    "--tls-dir",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False),
    help="Certificates of the run: only processes of the same run are spoken with.",
)
def jobmanager(
    host: str,
    port: int,
    job: str | None,
    resource: str | None,
    start: str | None,
    standby: bool,
    run: str,
    address: str | None,
    rest_token_file: str | None,
    tls_dir: str | None,
) -> int:
    """Plan, schedule and checkpoint jobs."""
    from weir.jobmanager.main import JobManagerOptions
    from weir.jobmanager.main import run as run_jobmanager
    from weir.jobmanager.rest.starting import RestOptions

    if resource is None and (start is not None or standby):
        raise click.UsageError("--start and --standby are about the job of --resource; name it")
    if resource is not None and job is not None:
        raise click.UsageError("--job and --resource exclude each other")
    submit = None
    if resource is not None:
        from weir.cli.served_job import served_job

        submit = served_job(resource, start, run, standby=standby)
    rest = RestOptions(address, token_file=rest_token_file)
    return run_jobmanager(JobManagerOptions(host, port, job, submit, run, rest, tls_dir))


def _host_and_port(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """Refuses what no connection can ever be made to; a host that does not answer yet is waited for."""
    match = _ADDRESS.fullmatch(value)
    if match is None or not 0 < int(match[1]) < 65536:
        raise click.BadParameter(f"{value!r} is not HOST:PORT, such as 127.0.0.1:6123")
    return value


@serve.command()
@click.option(
    "--jobmanager",
    metavar="HOST:PORT",
    required=True,
    callback=_host_and_port,
    help="Where the JobManager listens for TaskManagers.",
)
@click.option("--slots", type=click.IntRange(1), default=1, show_default=True, help="Worker processes.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address on which workers listen for rows."
)
@click.option("--advertise", metavar="ADDRESS", help="Where other TaskManagers reach them. Default: --host.")
@click.option(
    "--tls-dir",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False),
    help="Certificates of the run: only processes of the same run are spoken with.",
)
def taskmanager(jobmanager: str, slots: int, host: str, advertise: str | None, tls_dir: str | None) -> int:
    """Run subtasks in worker processes, one for each slot."""
    from weir.taskmanager.__main__ import main

    arguments = ["--jobmanager", jobmanager, "--slots", str(slots), "--host", host]
    arguments += [] if advertise is None else ["--advertise", advertise]
    return main(arguments + ([] if tls_dir is None else ["--tls-dir", tls_dir]))
