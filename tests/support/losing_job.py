"""The reference job on a transport that loses one batch of rows: when a file appears, the next that arrives over the network is dropped.

The file is named by ``WEIR_TEST_LOSE``. Whoever drops the batch removes it, and writes beside it (``.lost``) the wall time in milliseconds.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from tests.support import reference_job
from weir import StreamExecutionEnvironment
from weir.taskmanager.exchange import wire
from weir.taskmanager.exchange.network import Endpoints

_deliver = Endpoints.from_sender


def _losing(endpoints: Endpoints, number: int, kind: int, payload: bytes) -> None:
    if kind == wire.Kind.ROWS and _takes():
        return
    _deliver(endpoints, number, kind, payload)


def _takes() -> bool:
    """Whether this process is the one that removed the file."""
    order = os.environ.get("WEIR_TEST_LOSE", "")
    if not order:
        return False
    try:
        os.unlink(order)
    except FileNotFoundError:
        return False
    Path(f"{order}.lost").write_text(str(time.time_ns() // 1_000_000))
    return True


def build(env: StreamExecutionEnvironment, arguments: list[str]) -> Any:
    Endpoints.from_sender = _losing  # type: ignore[method-assign]
    return reference_job.build(env, arguments)
