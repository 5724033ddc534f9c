"""Processes of a local cluster, their memory and what they use, read from ``/proc``."""

from __future__ import annotations

import os
from pathlib import Path


def children(pid: int) -> list[int]:
    """The child processes of ``pid`` that live."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """The processes below ``pid``."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def command(pid: int) -> str:
    """The command line, empty if the process is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def workers(pid: int) -> list[int]:
    """The worker processes below ``pid``."""
    return [each for each in descendants(pid) if "weir.taskmanager.worker" in command(each)]


def rss_mb(pid: int) -> float:
    """Resident memory in MB (10^6 bytes), 0 if the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next(
        (int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmRSS")), 0.0
    )


def processor_seconds(pid: int) -> float:
    """Of all its threads so far, in user and kernel mode; 0 if the process is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(pid: int) -> int:
    """File descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))
