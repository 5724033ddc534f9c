"""What ``weir inspect`` writes for people: a snapshot by operator, or a job's folder by record and checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from weir.checkpoint.inspection import FileFault, OperatorFacts, SnapshotFacts, SubtaskData
from weir.checkpoint.log_inspection import HeldFacts, JobFolderFacts, RecordFacts
from weir.checkpoint.metadata import SnapshotKind
from weir.checkpoint.state_counts import StateFacts, TimerFacts
from weir.cli.text import counted, size, table, when
from weir.records import MAX_TIMESTAMP, MIN_TIMESTAMP

#: Splits and commits of one operator that are shown, and characters of each.
_SHOWN = 20
_WIDTH = 200


def snapshot_text(facts: SnapshotFacts) -> str:
    """A checkpoint or savepoint."""
    head = f"{facts.kind} {facts.checkpoint_id} of job {facts.job_name or '(no name)'} ({facts.job_id})"
    rows = [
        ("folder", facts.uri),
        ("taken", f"{when(facts.triggered_ms)}, epoch {facts.epoch}, attempt {facts.attempt}"),
        ("format", f"version {facts.format_version}"),
        ("state", f"{size(facts.bytes)} in {counted(facts.files, 'file')} and _metadata"),
    ]
    if facts.kind is SnapshotKind.SAVEPOINT:
        rows.append(("owner", str(facts.owner)))
    if facts.max_watermark is not None and facts.max_watermark > MIN_TIMESTAMP:
        rows.append(("watermark", _watermark(facts.max_watermark)))
    if facts.has_commits:
        rows.append(("output", "committed with it: recovery never goes back past it"))
    if facts.recorded is not None:
        rows.append(("log", _log(facts.recorded)))
    if facts.final:
        rows.append(("end", "nothing follows: taken at the end of the input, or by a stop"))
    if facts.unreferenced:
        rows.append(("left over", f"{', '.join(facts.unreferenced)}: not part of it"))
    lines = [head, *table(rows, indent=2)]
    for operator in facts.operators:
        lines += ["", *_operator(operator)]
    return "\n".join([*lines, *_faults(facts.faults)]) + "\n"


def folder_text(facts: JobFolderFacts) -> str:
    """A job's checkpoint folder."""
    lines = [f"job {facts.job_name or '(no name)'} in {facts.uri}"]
    if facts.restore is not None:
        found = f"snapshot {facts.restore.checkpoint} ({facts.restore.path}): {facts.restore.why}"
        rows = [("restores", found)]
    else:
        note = facts.restore_note.replace("\n", "\n" + " " * 12)
        rows = [("restores", f"{'refused: ' if facts.blocked else 'nothing: '}{note}")]
    rows.append(("ended", facts.ended or "no"))
    shown = "" if len(facts.records) == facts.tail else f", the newest {len(facts.records)}"
    lines += [*table(rows, indent=2), "", f"fence log ({counted(facts.tail, 'record')}{shown})"]
    lines += table(
        [("SEQ", "KIND", "EPOCH", "SNAPSHOT", "COMMITS", "WRITTEN", ""), *map(_record, facts.records)],
        indent=2,
        right=(0, 2, 3),
    )
    lines += ["", "checkpoints" if facts.checkpoints else "no checkpoints"]
    if facts.checkpoints:
        rows_held = [
            ("ID", "TAKEN", "SIZE", "OBJECTS", ""),
            *(_held(held, facts) for held in facts.checkpoints),
        ]
        lines += table(rows_held, indent=2, right=(0, 2, 3))
    faults = [*facts.faults, *(fault for held in facts.checkpoints for fault in held.faults)]
    return "\n".join([*lines, *_faults(faults)]) + "\n"


def _log(recorded: int) -> str:
    if recorded:
        return f"complete by fence record {recorded}"
    return "no record among the newest ones completes it: the job would not restore it"


def _operator(facts: OperatorFacts) -> list[str]:
    identity = f"uid {facts.uid}" if facts.uid else f"automatic id {facts.operator_id}"
    lines = [
        f"{facts.name}  {identity}  parallelism {facts.parallelism} of {facts.max_parallelism}  {size(facts.bytes)}"
    ]
    if facts.key_type is not None:
        lines.append(f"    keys: {facts.key_type}")
    lines += table([_state(state) for state in facts.states], indent=4, right=(3, 4, 5))
    lines += table([_timers(timers) for timers in facts.timers], indent=4, right=(1,))
    lines += _listed("split", facts.splits)
    if facts.enumerator is not None:
        lines.append(f"    enumerator: {_short(facts.enumerator.data)}")
        if facts.enumerator.told_no_more:
            readers = ", ".join(map(str, facts.enumerator.told_no_more))
            lines.append(f"    no more splits for readers {readers} of {facts.enumerator.readers}")
    lines += _listed("pending commit", facts.pending_commits)
    if facts.in_flight:
        lines.append(f"    in flight: {size(facts.in_flight)}, overtaken by the barrier")
    if facts.finished:
        lines.append(f"    finished subtasks: {', '.join(map(str, facts.finished))}")
    if facts.watermark is not None and facts.watermark > MIN_TIMESTAMP:
        lines.append(f"    watermark {_watermark(facts.watermark)}")
    if not facts.complete:
        lines.append("    damaged: what could not be read is missing from these numbers")
    elif len(lines) == 1 and not facts.bytes:
        lines.append("    no state")
    return lines


def _state(state: StateFacts) -> tuple[str, ...]:
    about = "" if state.exact else "at most "
    keys = "" if state.keys is None else about + counted(state.keys, "key")
    entries = "" if state.entries is None else about + counted(state.entries, "entry", "entries")
    where = size(state.bytes) if state.bytes else "in shared files"
    return state.name, state.kind, state.type, keys, entries, where


def _timers(timers: TimerFacts) -> tuple[str, ...]:
    count = ("" if timers.exact else "at most ") + counted(timers.count, "timer")
    earliest = "" if timers.earliest_ms is None else f"first at {when(timers.earliest_ms)}"
    return f"timers in {timers.domain}", count, earliest


def _listed(what: str, found: Sequence[SubtaskData]) -> list[str]:
    lines = [f"    {what} of subtask {item.subtask}: {_short(item.data)}" for item in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"    ... and {len(found) - _SHOWN:,} more (-o json has all)")
    return lines


def _short(data: Any) -> str:
    if isinstance(data, dict):
        text = ", ".join(f"{key}={_value(value)}" for key, value in data.items())
    else:
        text = _value(data)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def _value(data: Any) -> str:
    return data if isinstance(data, str) else msgspec.json.encode(data).decode()


def _record(record: RecordFacts) -> tuple[str, ...]:
    commits = {None: "", True: "yes", False: "no"}[record.has_commits]
    checkpoint = "" if record.checkpoint is None else str(record.checkpoint)
    elsewhere = record.path if record.path and "://" in record.path else ""
    detail = ": ".join(part for part in (record.detail, elsewhere) if part)
    return (
        str(record.seq),
        record.kind,
        str(record.epoch),
        checkpoint,
        commits,
        when(record.written_ms),
        detail,
    )


def _held(held: HeldFacts, facts: JobFolderFacts) -> tuple[str, ...]:
    taken = "" if held.triggered_ms is None else when(held.triggered_ms)
    said = []
    if facts.restore is not None and facts.restore.path == f"chk-{held.checkpoint}":
        said.append("restore point")
    if held.faults:
        said.append("damaged")
    elif held.triggered_ms is None:
        said.append("no _metadata: in progress, or left over")
    elif not held.recorded:
        said.append("no fence record: not complete, or older than the records shown")
    return str(held.checkpoint), taken, size(held.bytes), str(held.objects), ", ".join(said)


def _faults(faults: Sequence[FileFault]) -> list[str]:
    if not faults:
        return []
    return ["", f"damaged: {counted(len(faults), 'file')}", *(f"  {fault.message}" for fault in faults)]


def _watermark(milliseconds: int) -> str:
    return "end of input" if milliseconds >= MAX_TIMESTAMP else when(milliseconds)
