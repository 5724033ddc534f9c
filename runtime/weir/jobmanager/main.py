"""The JobManager process: listens, holds a dispatcher, and ends when it is told to, or overtaken.

Run as ``python -m weir.jobmanager``; ``weir serve jobmanager`` and the local cluster start it so. A job file holds one
encoded ``Submit``: that job is started with the process. REST is served where it is asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from weir.clock import SystemClock
from weir.config import JobOptions, environment_layer, file_layer, merged
from weir.errors import ConfigError, WeirError
from weir.jobmanager.dispatcher import Dispatcher, DispatcherOptions
from weir.jobmanager.rest.exchange import Cluster
from weir.jobmanager.rest.listening import is_loopback
from weir.jobmanager.rest.starting import Rest, RestOptions
from weir.rpc import lifeline, logs
from weir.rpc.requests import Submit
from weir.rpc.server import ControlServer
from weir.rpc.tls import TlsFolder

log = structlog.get_logger()

#: Exit code of a JobManager that was overtaken: whoever started it must not start it again.
FENCED_EXIT = 75
#: What ``--rest`` takes for the default address, or the next free one.
DEFAULT_REST = "default"


@dataclass(frozen=True)
class JobManagerOptions:
    """Where to listen, and what to start with."""

    host: str = "127.0.0.1"
    port: int = 6123
    job_file: str | None = None
    #: A job to start with.
    submit: Submit | None = None
    run: str = "local"
    rest: RestOptions | None = None  #: ``None``: no REST
    #: Folder with the run's certificates; ``None``: callers are not asked who they are.
    tls_dir: str | None = None


def main(arguments: list[str] | None = None) -> int:
    """Parse ``arguments`` and serve; the exit code."""
    parser = argparse.ArgumentParser(prog="weir.jobmanager")
    parser.add_argument("--host", default=JobManagerOptions.host)
    parser.add_argument("--port", type=int, default=JobManagerOptions.port, help="0 takes a free one")
    parser.add_argument("--job", default=None, help="file with an encoded job to start")
    parser.add_argument("--run", default=JobManagerOptions.run)
    parser.add_argument("--rest", default=None, help=f"HOST:PORT of REST, or {DEFAULT_REST!r}")
    parser.add_argument("--rest-fd", type=int, default=None, help="a listening socket for REST")
    parser.add_argument("--rest-token-file", default=None)
    parsed = parser.parse_args(arguments)
    return run(
        JobManagerOptions(
            host=parsed.host,
            port=parsed.port,
            job_file=parsed.job,
            run=parsed.run,
            rest=_rest_options(parsed.rest, parsed.rest_fd, parsed.rest_token_file),
        )
    )


def run(options: JobManagerOptions) -> int:
    """Serve until told to end; the exit code."""
    lifeline.follow_parent()
    logs.log_to_stderr()
    try:
        return asyncio.run(serve(options))
    except WeirError as error:
        sys.stderr.write(f"weir: {error}\n")
        return 1


def _rest_options(address: str | None, fd: int | None, token_file: str | None) -> RestOptions | None:
    if address is None and fd is None:
        return None
    return RestOptions(None if address == DEFAULT_REST else address, fd, token_file)


async def serve(options: JobManagerOptions) -> int:
    """Serve until told to end; the exit code. Raises ``AddressInUse``, ``ConfigError``."""
    layers = (file_layer(os.environ), environment_layer(os.environ))
    process = JobOptions.from_settings(merged(layers)).process
    rest = None if options.rest is None else Rest(options.rest)
    tls = None if options.tls_dir is None else TlsFolder(options.tls_dir)
    certificates = tuple if tls is None else tls.slots
    dispatcher = Dispatcher(
        DispatcherOptions(process.heartbeat_interval, process.heartbeat_timeout, options.run, certificates),
        SystemClock(),
    )
    server = await ControlServer.start(dispatcher, options.host, options.port, tls)
    if rest is not None and options.rest is not None and options.rest.fd is None:
        sys.stderr.write(f"weir: REST at http://{rest.address}\n")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, dispatcher.ending.set)
    watching = asyncio.ensure_future(dispatcher.sessions.watch())
    answering = (
        None if rest is None else asyncio.ensure_future(rest.serve(Cluster(dispatcher, layers, logs.OWN)))
    )
    try:
        log.info("jobmanager listens", address=server.address)
        if tls is None and not is_loopback(options.host):
            log.warning("whoever reaches this address may call; --tls-dir asks who it is", host=options.host)
        submit = options.submit if options.job_file is None else _read_job(options.job_file)
        if submit is not None:
            await dispatcher.submit(submit)
        await dispatcher.ending.wait()
    finally:
        watching.cancel()
        dispatcher.sessions.end_all("the JobManager ends", dismiss=False)
        if rest is not None and answering is not None:
            await asyncio.gather(answering, return_exceptions=True)
            await rest.stop()
        await server.stop(1.0)
    if dispatcher.fenced_by is not None:
        sys.stderr.write(f"weir: this JobManager was overtaken and stops: {dispatcher.fenced_by}\n")
        return FENCED_EXIT
    return 0


def _read_job(path: str) -> Submit:
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=Submit)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"job file {path} cannot be read: {error}") from error
