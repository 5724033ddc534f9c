"""The writes of a scenario as the API server took them, and what must never be among them (R26).

The API server's audit log has them all, also those that a watch that was away did not see. Judged are: pods of two runs at one moment,
deletions that could meet another object of the same name, writes of a leader that was followed by another one, runs and epochs that fall though nobody wiped them, and
a snapshot that is deleted although it is the newest or something starts from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Body = dict[str, Any]
#: A pod that should be gone for this long counts as gone: its node does not answer, and the fence log holds it off.
GIVEN_UP = timedelta(seconds=60)
_OPERATOR = ":weir-operator"
_CONTENT = '"level":"RequestResponse"'


def read(log: Path, namespace: str) -> Iterator[Body]:
    """The writes in a namespace that are there with their content."""
    with log.open() as lines:
        for line in lines:
            if f'"namespace":"{namespace}"' in line and line.endswith("\n") and _CONTENT in line:
                yield json.loads(line)


def faults(entries: Iterable[Body]) -> list[str]:
    """Everything that is wrong in the writes of one namespace."""
    checker = _Checker()
    for entry in _in_order(entry for entry in entries if _was_done(entry)):
        checker.take(entry)
    return checker.found


def _was_done(entry: Body) -> bool:
    code = entry.get("responseStatus", {}).get("code", 0)
    return 200 <= code < 300 and "dryRun=" not in entry["requestURI"]


def _in_order(entries: Iterable[Body]) -> list[Body]:
    """By time, and StreamJobs among themselves as they were stored: of two answers the later one may be done first."""
    ordered = sorted(entries, key=_at)
    versions = [(version, place) for place, entry in enumerate(ordered) if (version := _version(entry))]
    places = [place for _, place in versions]
    stored = [ordered[place] for _, place in sorted(versions)]
    for place, entry in zip(places, stored, strict=True):
        ordered[place] = entry
    return ordered


def _version(entry: Body) -> int:
    """Of the StreamJob as the write left it; these versions only grow. 0 for all else."""
    body = entry.get("responseObject") or {}
    if entry["objectRef"]["resource"] != "streamjobs" or body.get("kind") != "StreamJob":
        return 0
    return int(body["metadata"].get("resourceVersion", 0))


def _at(entry: Body) -> datetime:
    """A deletion counts from when it came, all else from when it was done: so nothing seems to overlap that did not."""
    return _time(entry["requestReceivedTimestamp" if entry["verb"] == "delete" else "stageTimestamp"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@dataclass
class _Pod:
    job: str
    run: int
    name: str
    deleted_by: datetime | None = None


@dataclass
class _Checker:
    found: list[str] = field(default_factory=list)
    pods: dict[str, _Pod] = field(default_factory=dict)
    jobs: dict[str, Body] = field(default_factory=dict)
    snapshots: dict[str, Body] = field(default_factory=dict)
    highest: dict[tuple[str, str], int] = field(default_factory=dict)
    term: int = 0

    def take(self, entry: Body) -> None:
        operator = entry["user"]["username"].endswith(_OPERATOR)
        if operator:
            self._take_write_of_operator(entry)
        match entry["objectRef"]["resource"]:
            case "pods":
                self._take_pod(entry)
            case "streamjobs":
                self._take_job(entry, operator=operator)
            case "streamjobsnapshots":
                self._take_snapshot(entry, operator=operator)

    def _take_write_of_operator(self, entry: Body) -> None:
        sent, ref = entry.get("requestObject") or {}, entry["objectRef"]
        what = f"{entry['verb']} {ref['resource']}/{ref.get('name', '')}"
        by_name = not (sent.get("preconditions") or {}).get("uid")
        if entry["verb"] == "delete" and ref["resource"] != "secrets" and by_name:
            self.found.append(f"{what} names no uid")
        annotations = (sent.get("metadata") or {}).get("annotations") or {}
        term = int(annotations.get("weir.dev/term", self.term))
        if term < self.term:
            self.found.append(f"{what} is of term {term}, after one of term {self.term}")
        self.term = max(self.term, term)

    def _take_pod(self, entry: Body) -> None:
        body = entry.get("responseObject") or {}
        metadata = body.get("metadata") or {}
        uid = metadata.get("uid") or ((entry.get("requestObject") or {}).get("preconditions") or {}).get(
            "uid"
        )
        labels = metadata.get("labels") or {}
        if entry["verb"] == "create" and "weir.dev/run" in labels:
            pod = _Pod(labels["weir.dev/uid"], int(labels["weir.dev/run"]), metadata["name"])
            self.pods[metadata["uid"]] = pod
            self._judge_pods(pod, _at(entry))
        elif entry["verb"] == "delete" and uid in self.pods:
            sent = (entry.get("requestObject") or {}).get("gracePeriodSeconds")
            if 0 in {sent, metadata.get("deletionGracePeriodSeconds")}:  # of a pod without a node: at once
                del self.pods[uid]
            elif metadata.get("deletionTimestamp"):
                self.pods[uid].deleted_by = _time(metadata["deletionTimestamp"])
        elif (body.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
            self.pods.pop(uid, None)

    def _judge_pods(self, new: _Pod, now: datetime) -> None:
        standby = any(
            body["metadata"]["uid"] == new.job
            and body["spec"].get("upgrade", {}).get("handover") == "Standby"
            for body in self.jobs.values()
        )
        beside = [
            pod.name
            for pod in self.pods.values()
            if (pod.job, pod.run) != (new.job, new.run)
            and pod.job == new.job
            and (pod.deleted_by is None or now - pod.deleted_by < GIVEN_UP)
        ]
        if beside and not standby:
            self.found.append(f"pod {new.name} is made while {', '.join(sorted(beside))} may run")

    def _take_job(self, entry: Body, *, operator: bool) -> None:
        name, body = entry["objectRef"].get("name"), entry.get("responseObject") or {}
        if body.get("kind") != "StreamJob":
            self.jobs.pop(name or "", None)
            return
        self.jobs[body["metadata"]["name"]] = body
        for number in ("run", "epoch"):
            value, key = body.get("status", {}).get(number), (body["metadata"]["uid"], number)
            if value is None and not operator:
                # Somebody wiped what the operator remembers: it counts anew, and the bucket holds off what was before.
                self.highest.pop(key, None)
            if value is not None and value < self.highest.get(key, 0):
                self.found.append(f"StreamJob {name}: {number} falls from {self.highest[key]} to {value}")
            self.highest[key] = max(self.highest.get(key, 0), value or 0)

    def _take_snapshot(self, entry: Body, *, operator: bool) -> None:
        ref, body = entry["objectRef"], entry.get("responseObject") or {}
        if entry["verb"] == "delete":
            if operator and ref["name"] in self.snapshots:
                self._judge_deletion(self.snapshots[ref["name"]])
            self.snapshots.pop(ref["name"], None)
        elif body.get("kind") == "StreamJobSnapshot" and "deletionTimestamp" not in body["metadata"]:
            self.snapshots[body["metadata"]["name"]] = body

    def _judge_deletion(self, gone: Body) -> None:
        name, path = gone["metadata"]["name"], gone.get("status", {}).get("path")
        users = [
            body["metadata"]["name"]
            for body in self.jobs.values()
            if (restore := body["spec"].get("restore", {}))
            and (restore.get("snapshot") == name or (path is not None and restore.get("from") == path))
        ]
        if users:
            self.found.append(f"snapshot {name} is deleted although {', '.join(users)} may start from it")
        job = self.jobs.get(gone["spec"].get("job", ""))
        if path is None or job is None or "deletionTimestamp" in job["metadata"]:
            return
        complete = [
            (body["status"].get("completedAt", ""), body["metadata"]["name"])
            for body in self.snapshots.values()
            if body["spec"].get("job") == gone["spec"]["job"] and body.get("status", {}).get("path")
        ]
        if max(complete)[1] == name:
            self.found.append(
                f"snapshot {name} is deleted although it is the newest of {gone['spec']['job']}"
            )
