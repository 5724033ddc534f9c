"""What people see of jobs on a terminal: REST's answers as tables, or as they are (``-o json``)."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping
from typing import Any

import click

from weir.cli import text
from weir.cli.rest_client import Access, Refused, RestClient, clients, find_job, job_path, jobs_of

_NOT_FOUND = 404


def show_jobs(access: Access, *, json: bool) -> None:
    """All jobs of one JobManager, or of all on this machine."""
    found = [(client, jobs_of(client)) for client in clients(access)]
    if json:
        _print_json({"jobs": [job for _, jobs in found for job in jobs]})
        return
    rows = [
        [
            job["name"],
            job["jid"],
            job["state"],
            f"{job['tasks']['running']}/{job['tasks']['total']}",
            text.when(job["start-time"]),
            text.lasted(job["duration"]),
            client.address,
        ]
        for client, jobs in found
        for job in jobs
    ]
    head = ["NAME", "ID", "STATE", "RUNNING", "STARTED", "DURATION", "JOBMANAGER"]
    _print_table([head, *rows], right=(3, 5))
    if not rows:
        click.echo("weir: no jobs", err=True)


def show_status(access: Access, job: str, *, json: bool) -> None:
    """One job with its vertices, its last checkpoint and its last failure."""
    client, job_id = find_job(access, job)
    details = client.get(job_path(job_id))
    if json:
        _print_json(details)
        return
    _print(_headline(details))
    _print(f"rows: {details['recordsIn']:,} in, {details['recordsOut']:,} out")
    if details["end-time"] < 0 and details["slotsAvailable"] < details["slotsRequired"]:
        _print(f"slots: {details['slotsAvailable']} of {details['slotsRequired']} that it needs")
    _print(_last_checkpoint(client, job_id, details["now"]))
    failure = client.get(job_path(job_id, "/exceptions?maxExceptions=1"))["exceptionHistory"]["entries"]
    if failure:
        ago = text.lasted(max(0, details["now"] - failure[0]["timestamp"]))
        last = failure[0]
        _print(
            f"last failure {last['fingerprint']} ({ago} ago, attempt {last['attempt']}): {last['message']}"
        )
    for note in details["notes"]:
        _print(f"note: {note}")
    if details["vertices"]:
        _print("")
        _print_table([_VERTEX_HEAD, *map(_vertex_row, details["vertices"])], right=(1, 3, 4, 5, 6, 7))


def _headline(details: Mapping[str, Any]) -> str:
    tense = "for" if details["end-time"] < 0 else "after"
    return (
        f"job {details['name']} ({details['jid']}) is {details['state']} {tense} "
        f"{text.lasted(details['duration'])}, attempt {details['attempt']}, "
        f"{text.counted(details['restarts'], 'restart')}"
    )


def _last_checkpoint(client: RestClient, job_id: str, now_ms: int) -> str:
    try:
        found = client.get(job_path(job_id, "/checkpoints"))
    except Refused as error:
        if error.status != _NOT_FOUND:
            raise
        return f"checkpoints: {error}"
    counts = f"{found['counts']['completed']} completed, {found['counts']['failed']} failed"
    last = found["latest"]["completed"]
    if last is None:
        return f"checkpoints: none yet; {counts}"
    ended = last["trigger_timestamp"] + last["end_to_end_duration"]
    return (
        f"checkpoint {last['id']}: {text.lasted(max(0, now_ms - ended))} ago, {text.size(last['state_size'])}, "
        f"took {text.lasted(last['end_to_end_duration'])}; {counts}"
    )


_VERTEX_HEAD = ["VERTEX", "PARALLELISM", "STATE", "ROWS IN", "ROWS OUT", "BUSY", "IDLE", "BACK-PRESSURED"]


def _vertex_row(vertex: Mapping[str, Any]) -> list[str]:
    metrics = vertex["metrics"]
    return [
        vertex["name"],
        str(vertex["parallelism"]),
        vertex["status"],
        f"{metrics['read-records']:,}",
        f"{metrics['write-records']:,}",
        _share(metrics["busyTimeMsPerSecond"]),
        _share(metrics["idleTimeMsPerSecond"]),
        _share(metrics["backPressuredTimeMsPerSecond"]),
    ]


def _share(milliseconds_per_second: float | None) -> str:
    return "-" if milliseconds_per_second is None else f"{milliseconds_per_second / 10:.0f}%"


def show_checkpoints(access: Access, job: str, *, json: bool) -> None:
    """What is remembered of a job's checkpoints, newest first."""
    client, job_id = find_job(access, job)
    found = client.get(job_path(job_id, "/checkpoints"))
    if json:
        _print_json(found)
        return
    rows = [_checkpoint_row(checkpoint) for checkpoint in found["history"]]
    head = ["ID", "STATUS", "KIND", "TRIGGERED", "DURATION", "SIZE", "ACKNOWLEDGED", "PATH OR REASON"]
    _print_table([head, *rows], right=(0, 4, 5, 6))
    counts = found["counts"]
    click.echo(
        f"weir: {counts['completed']} completed, {counts['failed']} failed, {counts['in_progress']} in progress, "
        f"{counts['restored']} restored",
        err=True,
    )


def _checkpoint_row(checkpoint: Mapping[str, Any]) -> list[str]:
    status = checkpoint["status"]
    if checkpoint.get("discarded"):
        status += " (subsumed)"
    return [
        str(checkpoint["id"]),
        status,
        "savepoint" if checkpoint["is_savepoint"] else "checkpoint",
        text.when(checkpoint["trigger_timestamp"]),
        text.lasted(checkpoint["end_to_end_duration"]),
        text.size(checkpoint["state_size"]),
        f"{checkpoint['num_acknowledged_subtasks']}/{checkpoint['num_subtasks']}",
        checkpoint.get("external_path") or checkpoint.get("failure_message") or "",
    ]


def _print(line: str) -> None:
    click.echo(line)


def _print_table(rows: list[list[str]], right: tuple[int, ...]) -> None:
    for line in text.table(rows, right=right):
        click.echo(line)


def _print_json(answer: Any) -> None:
    click.echo(json_text.dumps(answer, indent=2))
