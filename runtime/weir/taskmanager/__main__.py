"""``python -m weir.taskmanager``: one TaskManager process, as ``weir serve taskmanager`` and the local cluster start it."""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence

from weir.clock import SystemClock
from weir.errors import WeirError
from weir.ids import TaskManagerId
from weir.rpc import lifeline
from weir.rpc.client import connect_session
from weir.rpc.logs import log_to_stderr
from weir.rpc.tls import TlsFolder
from weir.taskmanager.supervision.supervisor import Supervisor, TaskManagerOptions
from weir.taskmanager.supervision.worker_process import WorkerProcess


def main(arguments: list[str] | None = None) -> int:
    """Parse ``arguments``, serve until dismissed or ended by a signal; the exit code."""
    lifeline.follow_parent()
    parser = argparse.ArgumentParser(prog="weir.taskmanager")
    parser.add_argument("--jobmanager", required=True, help="host:port of the JobManager")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--id", default=None)
    parser.add_argument("--host", default="127.0.0.1", help="where workers listen for rows")
    parser.add_argument("--advertise", default=None, help="where peers reach them; default: --host")
    parser.add_argument("--tls-dir", default=None, help="certificates of the run")
    parsed = parser.parse_args(arguments)
    log_to_stderr()
    try:
        tls = None if parsed.tls_dir is None else TlsFolder(parsed.tls_dir)
    except WeirError as error:
        sys.stderr.write(f"weir: {error}\n")
        return 1
    options = TaskManagerOptions(
        jobmanager=parsed.jobmanager,
        slots=parsed.slots,
        task_manager=TaskManagerId(parsed.id or new_task_manager_id()),
        host=host_name(),
    )
    data_plane = ["--host", parsed.host, "--advertise", parsed.advertise or parsed.host]
    data_plane += [] if parsed.tls_dir is None else ["--tls-dir", parsed.tls_dir]
    asyncio.run(serve(options, data_plane, tls))
    return 0


#: Seconds that a supervisor has to end in before it is told again.
_END_PATIENCE = 5.0


async def serve(
    options: TaskManagerOptions, worker_arguments: Sequence[str] = (), tls: TlsFolder | None = None
) -> None:
    """Run a supervisor until it is dismissed, or ``SIGTERM`` or ``SIGINT`` comes; no worker is left then."""
    spawn = functools.partial(WorkerProcess, arguments=worker_arguments)
    connect = functools.partial(connect_session, tls=tls)
    authorities = tuple if tls is None else tls.authorities
    supervisor = Supervisor(options, SystemClock(), os.getpid(), connect, spawn, authorities)
    running = asyncio.ensure_future(supervisor.run())
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    telling = asyncio.ensure_future(told.wait())
    await asyncio.wait({running, telling}, return_when=asyncio.FIRST_COMPLETED)
    # More than once: a connection that breaks at the same moment can take a cancellation for its own end.
    while not running.done():
        running.cancel()
        await asyncio.wait({running}, timeout=_END_PATIENCE)
    telling.cancel()
    if not running.cancelled():
        running.result()


def host_name() -> str:
    """The name of the pod, which its host name may be cut from, or of the machine."""
    return os.environ.get("POD_NAME") or socket.gethostname()


def new_task_manager_id() -> TaskManagerId:
    """A name for people (the host's) that is still unique to this process."""
    return TaskManagerId(f"{host_name()}-{secrets.token_hex(3)}")


if __name__ == "__main__":
    sys.exit(main())
