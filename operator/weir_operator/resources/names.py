"""What the objects of a StreamJob are called: the one place where those names are put together.

A name says whose it is (the StreamJob) and, for workloads, of which run, so that two runs can stand side by side and a
repeated request always means the same object. Names of StreamJobs have at most 45 characters, so that all of these
are valid names of Services (63).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection
from datetime import datetime


def job_id(uid: str) -> str:
    """The engine's id of the job: the resource's UID without dashes, the same for as long as the resource lives."""
    return uid.replace("-", "").lower()


def run(job: str, number: int) -> str:
    """ConfigMap and Secret of a run, and the stem of its other names."""
    return f"{job}-{number}"


def jobmanager(job: str, number: int) -> str:
    """The JobManager's Deployment and its headless Service."""
    return f"{job}-{number}-jm"


def taskmanager(job: str, number: int) -> str:
    """The TaskManagers' Deployment."""
    return f"{job}-{number}-tm"


def certificates(job: str, number: int, slot: str) -> str:
    """The Secret with the certificates of one of a run's two slots (see ``tls``)."""
    return f"{job}-{number}-tls-{slot}"


def rest(job: str) -> str:
    """The stable Service, which follows the live run."""
    return f"{job}-rest"


def of_jobmanagers(job: str) -> str:
    """PodDisruptionBudget and NetworkPolicy of the JobManagers of all runs."""
    return f"{job}-jm"


def of_taskmanagers(job: str) -> str:
    """PodDisruptionBudget and NetworkPolicy of the TaskManagers of all runs."""
    return f"{job}-tm"


def of_all_pods(job: str) -> str:
    """The NetworkPolicy of every pod of the job."""
    return f"{job}-pods"


def errand(job: str, purpose: str) -> str:
    """A short-lived pod: the same purpose is the same pod."""
    return f"{job}-snap-{hashlib.sha256(purpose.encode()).hexdigest()[:10]}"


def revision(job: str, number: int) -> str:
    """The ControllerRevision that keeps the spec of a revision."""
    return f"{job}-{number}"


def snapshot(job: str, trigger: str, at: datetime, *, besides: Collection[str] = ()) -> str:
    """A StreamJobSnapshot of the operator: what it was taken for, and when (UTC); numbered where that is one of ``besides``."""
    name = f"{job}-{trigger.lower()}-{at:%Y%m%d-%H%M%S}"
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(free for free in itertools.chain([name], numbered) if free not in besides)
