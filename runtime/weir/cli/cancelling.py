"""``weir cancel``: asks for the end of a job, and waits until it is there."""

from __future__ import annotations

import json as json_text
import time
from typing import Final

import click

from weir.cli.main import FAILED
from weir.cli.rest_client import Access, NotReachable, find_job, job_path

#: Seconds between two looks; a local cluster ends soon after its job did.
_POLL: Final = 0.05
#: Seconds until the job's end is not waited for any longer: it goes on without us.
PATIENCE: Final = 120.0
_CANCELED: Final = "CANCELED"
_ENDED: Final = frozenset({"FINISHED", "CANCELED", "FAILED", "SUSPENDED"})


def cancel_job(access: Access, job: str, *, json: bool) -> int:
    """The exit code: 0 once the job is cancelled."""
    client, job_id = find_job(access, job)
    client.call("PATCH", f"{job_path(job_id)}?mode=cancel")
    click.echo(f"weir: cancelling {job} ({job_id})", err=True)
    deadline = time.monotonic() + PATIENCE
    state = "CANCELLING"
    try:
        while time.monotonic() < deadline:
            state = client.get(job_path(job_id, "/status"))["status"]
            if state in _ENDED:
                break
            time.sleep(_POLL)
    except NotReachable:
        # `weir run` ends with its job, and its JobManager with it.
        state = _CANCELED
        click.echo("weir: its JobManager has ended", err=True)
    if json:
        click.echo(json_text.dumps({"status": state}))
    else:
        click.echo(f"{job_id} {state}")
    return 0 if state == _CANCELED else FAILED
