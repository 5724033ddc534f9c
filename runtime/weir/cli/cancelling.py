"""``weir cancel``: asks for the end of a job, and waits until it is there."""

from __future__ import annotations

import json as json_text
import time
from typing import Final

import click

from weir.cli.main import FAILED
from weir.cli.rest_client import ENDED, Access, NoListener, NotReachable, RestClient, find_job, job_path

#: Seconds between two looks; a local cluster ends soon after its job did.
_POLL: Final = 0.05
#: Seconds until the job's end is not waited for any longer: it goes on without us.
PATIENCE: Final = 120.0
_CANCELED: Final = "CANCELED"


def cancel_job(access: Access, job: str, *, json: bool) -> int:
    """The exit code: 0 once the job is cancelled."""
    client, job_id = find_job(access, job)
    client.call("PATCH", f"{job_path(job_id)}?mode=cancel")
    click.echo(f"weir: cancelling {job} ({job_id})", err=True)
    state = _end_of(client, job_id)
    if json:
        click.echo(json_text.dumps({"status": state}))
    else:
        click.echo(f"{job_id} {state}")
    return 0 if state == _CANCELED else FAILED


def _end_of(client: RestClient, job_id: str) -> str:
    """The state in which the job ended, or the last one that was told within ``PATIENCE``."""
    deadline = time.monotonic() + PATIENCE
    state, silence = "CANCELLING", ""
    while time.monotonic() < deadline:
        try:
            state, silence = client.get(job_path(job_id, "/status"))["status"], ""
        except NoListener:
            # `weir run` ends with its job, and its JobManager with it.
            click.echo("weir: its JobManager has ended", err=True)
            return _CANCELED
        except NotReachable as error:
            silence = f"; {error}"  # it is busy, or is being replaced
        if state in ENDED:
            return state
        time.sleep(_POLL)
    click.echo(f"weir: the job has not ended within {PATIENCE:g} s; it was asked to{silence}", err=True)
    return state
