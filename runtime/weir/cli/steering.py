"""``weir savepoint``, ``stop`` and ``rescale``: ask a running job for something, and wait until it is there.

Each asks under a trigger id of its own, so that a call whose answer was lost can be made again; then polls. The path of
a savepoint goes to stdout.
"""

from __future__ import annotations

import json as json_text
import secrets
import time
from typing import Any, Final

import click

from weir.cli.main import FAILED
from weir.cli.rest_client import Access, RestClient, find_job, job_path
from weir.storage import absolute_uri

_POLL: Final = 0.05


def take_savepoint(access: Access, job: str, folder: str | None, format_type: str, *, json: bool) -> int:
    """The exit code: 0 once the savepoint is complete."""
    client, job_id = find_job(access, job)
    trigger = _trigger()
    body = {
        "target-directory": _target(folder),
        "formatType": format_type.upper(),
        "triggerId": trigger,
    }
    client.call("POST", job_path(job_id, "/savepoints"), body)
    click.echo(f"weir: taking a savepoint of {job} ({job_id})", err=True)
    return _show(_outcome(client, job_path(job_id, f"/savepoints/{trigger}")), json=json)


def stop_job(
    access: Access, job: str, folder: str | None, format_type: str, *, drain: bool, json: bool
) -> int:
    """The exit code: 0 once the job has stopped."""
    client, job_id = find_job(access, job)
    trigger = _trigger()
    body = {
        "targetDirectory": _target(folder),
        "drain": drain,
        "formatType": format_type.upper(),
        "triggerId": trigger,
    }
    client.call("POST", job_path(job_id, "/stop"), body)
    draining = ", draining it" if drain else ""
    click.echo(f"weir: stopping {job} ({job_id}) with a savepoint{draining}", err=True)
    return _show(_outcome(client, job_path(job_id, f"/savepoints/{trigger}")), json=json)


def rescale_job(access: Access, job: str, parallelism: int, *, json: bool) -> int:
    """The exit code: 0 once all subtasks run at the new parallelism."""
    client, job_id = find_job(access, job)
    path = job_path(job_id, "/resource-requirements")
    wanted = {
        vertex: {"parallelism": {"lowerBound": 1, "upperBound": parallelism}} for vertex in client.get(path)
    }
    trigger = client.call("PUT", path, wanted)["request-id"]
    click.echo(f"weir: rescaling {job} ({job_id}) to {parallelism}", err=True)
    outcome = _outcome(client, f"{path}/{trigger}")
    if not json and "failure-cause" not in outcome["operation"]:
        click.echo(f"weir: {job} runs with parallelism {parallelism}", err=True)
    return _show(outcome, json=json)


def _trigger() -> str:
    return secrets.token_hex(16)


def _target(folder: str | None) -> str | None:
    return None if folder is None else absolute_uri(folder)


def _outcome(client: RestClient, path: str) -> Any:
    """The answer once it is done. Raises as ``get``."""
    while True:
        answer = client.get(path)
        if answer["status"]["id"] == "COMPLETED":
            return answer
        time.sleep(_POLL)


def _show(answer: Any, *, json: bool) -> int:
    outcome = answer["operation"]
    failure = outcome.get("failure-cause")
    if json:
        click.echo(json_text.dumps(answer, indent=2))
    elif failure is None and outcome.get("location"):
        click.echo(outcome["location"])
    if failure is not None:
        click.echo(f"weir: {failure['stack-trace']}", err=True)
    return 0 if failure is None else FAILED
