"""``python -m weir.taskmanager``: one TaskManager process, as ``weir serve taskmanager`` and the local cluster start it."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import socket
import sys

from weir.clock import SystemClock
from weir.ids import TaskManagerId
from weir.rpc import lifeline
from weir.rpc.logs import log_to_stderr
from weir.taskmanager.supervisor import Supervisor, TaskManagerOptions


def main(arguments: list[str] | None = None) -> int:
    """Parse ``arguments``, serve until dismissed or ended by a signal; the exit code."""
    lifeline.follow_parent()
    parser = argparse.ArgumentParser(prog="weir.taskmanager")
    parser.add_argument("--jobmanager", required=True, help="host:port of the JobManager")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--id", default=None)
    parsed = parser.parse_args(arguments)
    log_to_stderr()
    options = TaskManagerOptions(
        jobmanager=parsed.jobmanager,
        slots=parsed.slots,
        task_manager=TaskManagerId(parsed.id or new_task_manager_id()),
    )
    asyncio.run(serve(options))
    return 0


async def serve(options: TaskManagerOptions) -> None:
    """Run a supervisor until it is dismissed, or ``SIGTERM`` or ``SIGINT`` comes; no worker is left then."""
    running = asyncio.ensure_future(Supervisor(options, SystemClock(), os.getpid()).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        pass


def new_task_manager_id() -> TaskManagerId:
    """A name for people (the host's) that is still unique to this process."""
    return TaskManagerId(f"{socket.gethostname()}-{secrets.token_hex(3)}")


if __name__ == "__main__":
    sys.exit(main())
