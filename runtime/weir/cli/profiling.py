"""``weir profile``: asks for the profile of a job until its samples are taken, and shows it."""

from __future__ import annotations

import json as json_text
import time
from collections.abc import Mapping
from typing import Any, Final

import click

from weir.cli import text
from weir.cli.rest_client import Access, find_job, job_path
from weir.errors import UserError

_ASK_AGAIN: Final = 0.5
#: Questions until something must be wrong: samples take five seconds.
_QUESTIONS: Final = 120
_KINDS: Final = ("user", "state", "serialisation", "network", "engine", "waitingForCredit", "idle")


def show_profile(access: Access, job: str, *, json: bool) -> None:
    """Where the time of each vertex goes. Raises ``UserError`` when no samples come."""
    client, job_id = find_job(access, job)
    found = client.get(job_path(job_id, "/profile"))
    for _ in range(_QUESTIONS):
        if found["endTimestamp"] >= 0:
            break
        time.sleep(_ASK_AGAIN)
        found = client.get(job_path(job_id, "/profile"))
    else:
        raise UserError(f"the workers of {job} gave no samples in a minute; look at weir status {job}")
    if json:
        click.echo(json_text.dumps(found, indent=2))
        return
    head = ["VERTEX", "USER", "STATE", "SERIALISATION", "NETWORK", "ENGINE", "NO CREDIT", "IDLE", "SAMPLES"]
    for line in text.table([head, *map(_row, found["vertices"])], right=range(1, len(head))):
        click.echo(line)
    if not found["vertices"]:
        click.echo(f"weir: no vertex of {job} runs long enough to tell; try again in some seconds", err=True)


def _row(vertex: Mapping[str, Any]) -> list[str]:
    return [vertex["name"], *(f"{vertex[kind]:.0%}" for kind in _KINDS), str(vertex["samples"])]
