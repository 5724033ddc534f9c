"""What ``weir inspect`` does: finds out what lies at a path, has it verified, and turns the facts into an answer.

Runs without the job's code and without a JobManager. ``checkpoint.inspection`` finds out, ``inspect_text`` draws.
"""

from __future__ import annotations

import click
import msgspec

from weir.checkpoint import inspection, log_inspection, paths, store
from weir.checkpoint.inspection import SnapshotFacts
from weir.checkpoint.log_inspection import JobFolderFacts
from weir.cli import inspect_text
from weir.cli.main import FAILED
from weir.cli.text import counted
from weir.errors import ObjectNotFound, SnapshotError
from weir.ids import is_job_id
from weir.storage import Storage, absolute_uri, open_storage

_CHOICES = 10


def text_of(facts: SnapshotFacts | JobFolderFacts, *, json: bool) -> str:
    """The answer on stdout."""
    if json:
        return msgspec.json.format(msgspec.json.encode(facts)).decode() + "\n"
    if isinstance(facts, SnapshotFacts):
        return inspect_text.snapshot_text(facts)
    return inspect_text.folder_text(facts)


def look_at(path: str, records: int = log_inspection.NEWEST) -> SnapshotFacts | JobFolderFacts:
    """The facts about ``path``. Raises ``SnapshotError`` when nothing of ours is there, or ``StorageError``."""
    uri = absolute_uri(path).rstrip("/").removesuffix("/" + paths.METADATA)
    folder = open_storage(uri)
    try:
        folder.size(paths.METADATA)
    except ObjectNotFound:
        if any(True for _ in folder.list(paths.FENCE)):
            return log_inspection.inspect_job_folder(folder, records)
        raise SnapshotError(_nothing(folder)) from None
    job, _, name = uri.rpartition("/")
    checkpoint = paths.split_checkpoint(f"{name}/{paths.METADATA}")
    if checkpoint is not None and any(True for _ in open_storage(job).list(paths.FENCE)):
        return log_inspection.inspect_checkpoint(open_storage(job), checkpoint[0])
    return inspection.inspect_snapshot(store.load_folder(folder))


def exit_code(facts: SnapshotFacts | JobFolderFacts) -> int:
    """The exit code; what is wrong is said in a line on stderr."""
    if isinstance(facts, SnapshotFacts):
        damaged, blocked = len(facts.faults), False
    else:
        damaged = len(facts.faults) + sum(len(held.faults) for held in facts.checkpoints)
        blocked = facts.blocked
    if damaged:
        click.echo(f"weir: {counted(damaged, 'file')} of {facts.uri} damaged", err=True)
    if blocked:
        click.echo(f"weir: the next start of the job in {facts.uri} is refused", err=True)
    return FAILED if damaged or blocked else 0


def _nothing(folder: Storage) -> str:
    """The message for a folder without ``_metadata`` and without a log; names what lies below it."""
    below = []
    for info in folder.list():
        first = info.name.split("/")[0]
        if is_job_id(first) or first.startswith(("savepoint-", "chk-")):
            below.append(first)
    found = list(dict.fromkeys(below))
    message = f"{folder.uri} is neither a snapshot (no {paths.METADATA}) nor a job's checkpoint folder (no {paths.FENCE})"
    if not found:
        return f"{message}; name a folder chk-N, savepoint-..., or <checkpoints>/<job id>"
    listed = ", ".join(found[:_CHOICES]) + (", ..." if len(found) > _CHOICES else "")
    return f"{message}; below it are {listed}: name one of them"
