"""Runs the checks on a store and tells their findings; removes every object that they made, whatever happens.

A broken promise is a finding, not an exception. Checkpoints are safe only on a store without a failure: the fence
rests on ``create_if_absent``, restoring and committing on reads that see what was written.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from weir.clock import Clock, SystemClock
from weir.errors import StorageError
from weir.storage.base import Storage
from weir.storage.doctor.checks import Checks, Extent, Judged, Verdict
from weir.storage.doctor.recording import Recording
from weir.storage.prefixed import PrefixedStorage

#: What the folder of an examination is called, before its random part.
PREFIX = ".weir-doctor-"


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    verdict: Verdict
    said: str
    milliseconds: float


@dataclass(frozen=True)
class Examination:
    """The results of all checks."""

    uri: str
    findings: tuple[Finding, ...]
    #: Objects that could not be removed.
    left_behind: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the promises that the store breaks; empty: checkpoints are safe on it."""
        return tuple(finding.check for finding in self.findings if finding.verdict is Verdict.FAIL)


def examine(
    storage: Storage,
    extent: Extent | None = None,
    clock: Clock | None = None,
    on_finding: Callable[[Finding], None] = lambda _: None,
) -> Examination:
    """Run all checks below the root of ``storage``; ``on_finding`` hears of each as it ends. Blocks for seconds."""
    extent, clock = extent or Extent(), clock or SystemClock()
    prefix = f"{PREFIX}{secrets.token_hex(8)}"
    recording = Recording(PrefixedStorage(storage, prefix))
    checks = Checks(recording, extent, clock)
    findings: list[Finding] = []
    left: tuple[str, ...] = ()
    try:
        for name, check in checks.all():
            unusable = bool(findings) and findings[0].verdict is Verdict.FAIL
            finding = _skipped(name) if unusable else _run(name, check, clock)
            findings.append(finding)
            on_finding(finding)
    finally:
        left = tuple(f"{prefix}/{name}" for name in recording.remove_all())
        if not left:
            _remove_own_folder(storage, prefix)
    if left:
        said = f"{len(left)} objects could not be removed: {', '.join(left[:3])}; delete {prefix}/ by hand"
        findings.append(Finding("clean up", Verdict.FAIL, said, 0.0))
        on_finding(findings[-1])
    return Examination(storage.uri, tuple(findings), left)


def _remove_own_folder(storage: Storage, prefix: str) -> None:
    """On a local folder: what a write that was interrupted left beside the objects; nobody else writes there."""
    if storage.uri.startswith("file://"):
        shutil.rmtree(f"{storage.uri.removeprefix('file://')}/{prefix}", ignore_errors=True)


def _run(name: str, check: Callable[[], Judged], clock: Clock) -> Finding:
    started = clock.monotonic()
    try:
        judged = check()
    except StorageError as error:
        judged = Judged(Verdict.FAIL, str(error))
    return Finding(name, judged.verdict, judged.said, round((clock.monotonic() - started) * 1000, 1))


def _skipped(name: str) -> Finding:
    return Finding(name, Verdict.SKIPPED, "the store cannot be used at all", 0.0)
