"""The JobManager process: listens, holds a dispatcher, and ends when it is told to, or overtaken.

Run as ``python -m weir.jobmanager``; ``weir serve jobmanager`` and the local cluster start it so. A job file holds one
encoded ``Submit``: that job is started with the process.
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
from weir.rpc import lifeline
from weir.rpc.logs import log_to_stderr
from weir.rpc.requests import Submit
from weir.rpc.server import ControlServer

log = structlog.get_logger()

#: Exit code of a JobManager that was overtaken: whoever started it must not start it again.
FENCED_EXIT = 75


@dataclass(frozen=True)
class JobManagerOptions:
    """Where to listen, and what to start with."""

    host: str = "127.0.0.1"
    port: int = 6123
    job_file: str | None = None
    run: str = "local"


def main(arguments: list[str] | None = None) -> int:
    """Parse ``arguments`` and serve; the exit code."""
    lifeline.follow_parent()
    parser = argparse.ArgumentParser(prog="weir.jobmanager")
    parser.add_argument("--host", default=JobManagerOptions.host)
    parser.add_argument("--port", type=int, default=JobManagerOptions.port, help="0 takes a free one")
    parser.add_argument("--job", default=None, help="file with an encoded job to start")
    parser.add_argument("--run", default=JobManagerOptions.run)
    parsed = parser.parse_args(arguments)
    log_to_stderr()
    options = JobManagerOptions(parsed.host, parsed.port, parsed.job, parsed.run)
    try:
        return asyncio.run(serve(options))
    except WeirError as error:
        sys.stderr.write(f"weir: {error}\n")
        return 1


async def serve(options: JobManagerOptions) -> int:
    """Serve until told to end; the exit code. Raises ``AddressInUse``, ``ConfigError``."""
    settings = merged((file_layer(os.environ), environment_layer(os.environ)))
    process = JobOptions.from_settings(settings).process
    dispatcher = Dispatcher(
        DispatcherOptions(process.heartbeat_interval, process.heartbeat_timeout, options.run), SystemClock()
    )
    server = await ControlServer.start(dispatcher, options.host, options.port)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, dispatcher.ending.set)
    watching = asyncio.ensure_future(dispatcher.sessions.watch())
    try:
        log.info("jobmanager listens", address=server.address)
        if options.job_file is not None:
            await dispatcher.submit(_read_job(options.job_file))
        await dispatcher.ending.wait()
    finally:
        watching.cancel()
        dispatcher.sessions.end_all("the JobManager ends", dismiss=False)
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
