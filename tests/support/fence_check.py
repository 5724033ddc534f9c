"""The publication checker: holds a job's log to its rules, by plain json over its folder.

Numbers without a gap, one writer an epoch, epochs that grow by one with each start, checkpoint numbers that grow, each
start based on the last checkpoint before it, nothing after the end but an epoch that clears up, and every ``_metadata`` that still exists equal to
what its record says.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.support.processes import read_fence

TERMINAL = ("finished", "cancelled", "failed", "superseded")


def faults(job_folder: Path) -> list[str]:
    """Where the log contradicts itself or what lies in the folder."""
    entries = read_fence(job_folder)
    found = [f"record {i + 1} has number {e['seq']}" for i, e in enumerate(entries) if e["seq"] != i + 1]
    writers: dict[int, set[str]] = {}
    epoch, last = 0, None
    for before, entry in zip([None, *entries], entries, strict=False):
        record = entry["record"]
        writers.setdefault(entry["epoch"], set()).add(entry["writer"])
        ended = before is not None and before["record"]["type"] in TERMINAL
        clears = record["type"] == "start" and record.get("clears", False)
        if ended and not clears:
            found.append(f"record {entry['seq']} follows the end {before['record']['type']}")
        after_clearing = before is not None and before["record"].get("clears", False)
        if after_clearing and not clears and record["type"] not in TERMINAL:
            found.append(f"record {entry['seq']} follows a start that only clears up")
        if record["type"] == "start":
            found += _start_faults(entry, epoch, None if clears else last)
            epoch = entry["epoch"]
            last = last or record.get("base")
        elif entry["epoch"] != epoch:
            found.append(f"record {entry['seq']} is of epoch {entry['epoch']} within epoch {epoch}")
        if record["type"] == "checkpoint":
            point = record["point"]
            if last is not None and point["checkpoint_id"] <= last["checkpoint_id"]:
                found.append(f"checkpoint {point['checkpoint_id']} comes after {last['checkpoint_id']}")
            last = point
            found += _metadata_faults(job_folder, point)
    found += [f"epoch {number} has writers {names}" for number, names in writers.items() if len(names) > 1]
    return found


def _start_faults(entry: dict[str, Any], epoch: int, last: dict[str, Any] | None) -> list[str]:
    found = []
    if entry["epoch"] != epoch + 1:
        found.append(f"start {entry['seq']} takes epoch {entry['epoch']} after {epoch}")
    base = entry["record"].get("base")
    if base != last and (last is not None or epoch):  # the first start may begin from another job's snapshot
        found.append(f"start {entry['seq']} is based on {base}, the last checkpoint was {last}")
    return found


def _metadata_faults(job_folder: Path, point: dict[str, Any]) -> list[str]:
    try:
        data = (job_folder / point["path"] / "_metadata").read_bytes()
    except FileNotFoundError:
        return []  # deleted since, as one of many retained ones
    if hashlib.sha256(data).hexdigest() != point["metadata_sha256"]:
        return [f"{point['path']}/_metadata is not what its record names"]
    return []
