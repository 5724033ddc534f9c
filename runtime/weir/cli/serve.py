"""``weir serve``: the long-running processes, as pods and scripts start them."""

from __future__ import annotations

import click


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
def jobmanager(
    host: str, port: int, job: str | None, run: str, address: str | None, rest_token_file: str | None
) -> int:
    """Plan, schedule and checkpoint jobs."""
    from weir.jobmanager.main import DEFAULT_REST, main

    arguments = ["--host", host, "--port", str(port), "--run", run, "--rest", address or DEFAULT_REST]
    if job is not None:
        arguments += ["--job", job]
    if rest_token_file is not None:
        arguments += ["--rest-token-file", rest_token_file]
    return main(arguments)


@serve.command()
@click.option("--jobmanager", required=True, help="HOST:PORT of the JobManager.")
@click.option("--slots", default=1, show_default=True, help="Worker processes.")
def taskmanager(jobmanager: str, slots: int) -> int:
    """Run subtasks in worker processes, one for each slot."""
    from weir.taskmanager.__main__ import main

    return main(["--jobmanager", jobmanager, "--slots", str(slots)])
