"""What ``weir doctor storage`` says of stores that break one promise each, and that it leaves nothing behind."""

from __future__ import annotations

import pytest

from tests.support.checkpoints import ManualClock
from weir.errors import ObjectExists, ObjectNotFound, StorageDenied, StorageUnavailable
from weir.storage import MemoryStorage
from weir.storage.doctor import Examination, Extent, Verdict, examine
from weir.storage.faults import Fail, FaultInjector, LoseResponse, Operation

SMALL = Extent(writers=8, rounds=2, large_bytes=5000)


def look(storage, clock=None) -> Examination:
    found = examine(storage, SMALL, clock or ManualClock())
    assert not list(storage.list()), "an examination leaves nothing behind"
    return found


def said(found: Examination, check: str) -> str:
    return next(finding.said for finding in found.findings if finding.check == check)


def memory() -> MemoryStorage:
    return MemoryStorage(clock=ManualClock())


def test_a_store_that_keeps_its_promises_passes_every_check():
    found = look(memory())
    assert {finding.verdict for finding in found.findings} == {Verdict.PASS}
    assert found.failed == ()


class Overwrites(MemoryStorage):
    """A store that ignores ``If-None-Match``."""

    def create_if_absent(self, name, data):
        self.write(name, data)


class RefusesAndReplaces(MemoryStorage):
    """Says no, and does it."""

    def create_if_absent(self, name, data):
        exists = name in self._objects
        self.write(name, data)
        if exists:
            raise ObjectExists(name)


class RefusesBeforeItIsThere(MemoryStorage):
    """Whoever is refused cannot read what is in the way."""

    def read(self, name):
        if "/race/" in name and name in self.refused:
            self.refused.discard(name)
            raise ObjectNotFound(name)
        return super().read(name)

    def __init__(self, **options):
        super().__init__(**options)
        self.refused = set()

    def create_if_absent(self, name, data):
        try:
            super().create_if_absent(name, data)
        except ObjectExists:
            self.refused.add(name)
            raise


class Stale(MemoryStorage):
    """Reads what was there before the last write."""

    def write(self, name, data):
        self.before = getattr(self, "before", {})
        if name in self._objects:
            self.before[name] = self._objects[name][0]
        super().write(name, data)

    def read(self, name):
        return getattr(self, "before", {}).get(name) or super().read(name)


class RemembersDeleted(MemoryStorage):
    """An object can still be read once after it was deleted."""

    def __init__(self, **options):
        super().__init__(**options)
        self.ghosts = {}

    def delete(self, name):
        if name in self._objects and "/read/" in name:
            self.ghosts[name] = self._objects[name][0]
        super().delete(name)

    def read(self, name):
        return self.ghosts.pop(name) if name in self.ghosts else super().read(name)


class ListsLate(MemoryStorage):
    def list(self, prefix=""):
        listed = list(super().list(prefix))
        return iter(listed[:-1] if prefix.endswith("/list/") else listed)


class Unordered(MemoryStorage):
    def list(self, prefix=""):
        return iter(sorted(super().list(prefix), reverse=True))


class IgnoresRanges(MemoryStorage):
    def read_range(self, name, start, length):
        return self.read(name)


class CopiesInsteadOfMoving(MemoryStorage):
    def rename(self, source, target):
        self.write(target, self.read(source))


class CutsLargeObjects(MemoryStorage):
    def write(self, name, data):
        super().write(name, data[:4999])


@pytest.mark.parametrize(
    ("storage", "check", "message"),
    [
        (Overwrites, "create if absent", "the store ignores If-None-Match"),
        (RefusesAndReplaces, "create if absent", "two JobManagers could both own a job"),
        (RefusesBeforeItIsThere, "read-back after refusal", "could not read it"),
        (Stale, "read after write", "was read as b'new'"),
        (RemembersDeleted, "read after write", "could be read after it was deleted"),
        (ListsLate, "list after write", "was not listed"),
        (Unordered, "list after write", "not in order"),
        (IgnoresRanges, "range reads", "1 bytes from 0 of an object of 4096 gave 4096 bytes"),
        (CopiesInsteadOfMoving, "rename", "the source is still listed"),
        (CutsLargeObjects, "large objects", "an object of 5000 bytes was read as 4999 bytes"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_broken_promise_fails_the_store_by_name(storage, check, message):
    found = look(storage(clock=ManualClock()))
    assert check in found.failed
    assert message in said(found, check)


def test_a_lost_response_of_the_winner_is_no_second_winner():
    storage = FaultInjector(memory())
    storage.inject(Operation.CREATE, LoseResponse(ObjectExists("lost")), "/race/", times=None)
    found = look(storage)
    assert "create if absent" not in found.failed
    assert "read-back after refusal" not in found.failed


def test_errors_instead_of_answers_are_a_warning():
    storage = FaultInjector(memory())
    storage.inject(Operation.CREATE, Fail(StorageUnavailable("503")), "/race/0")
    found = look(storage)
    finding = next(finding for finding in found.findings if finding.check == "create if absent")
    assert finding.verdict is Verdict.WARN
    assert "1 writers got an error" in finding.said


@pytest.mark.parametrize(
    ("off_s", "verdict"),
    [(0, Verdict.PASS), (1.5, Verdict.PASS), (10, Verdict.WARN), (-10, Verdict.WARN), (400, Verdict.FAIL)],
)
def test_the_stores_clock_is_compared_with_this_one(off_s, verdict):
    theirs = ManualClock()
    theirs.now = off_s
    found = look(MemoryStorage(clock=theirs))
    finding = next(finding for finding in found.findings if finding.check == "clock")
    assert finding.verdict is verdict
    if verdict is not Verdict.PASS:
        assert f"{abs(off_s):.1f} s {'ahead of' if off_s > 0 else 'behind'}" in finding.said


@pytest.mark.parametrize("right", ["write", "read", "list"])
def test_a_missing_right_is_named_and_nothing_else_is_tried(right):
    inner = memory()
    storage = FaultInjector(inner)
    storage.inject(Operation(right), Fail(StorageDenied("403 AccessDenied")), "rights", times=None)
    found = examine(storage, SMALL, ManualClock())
    assert found.failed == ("rights",)
    assert f"may not {right}" in said(found, "rights")
    assert {finding.verdict for finding in found.findings[1:]} == {Verdict.SKIPPED}
    assert not list(inner.list())


def test_what_cannot_be_deleted_is_named():
    inner = memory()
    storage = FaultInjector(inner)
    storage.inject(Operation.DELETE, Fail(StorageDenied("403 AccessDenied")), times=None)
    found = examine(storage, SMALL, ManualClock())
    assert found.failed == ("rights", "clean up")
    assert set(found.left_behind) == {info.name for info in inner.list()}
    assert "by hand" in said(found, "clean up")


def test_a_store_that_is_not_there_is_one_failure():
    storage = FaultInjector(memory())
    for operation in Operation:
        storage.inject(operation, Fail(StorageUnavailable("connection refused")), times=None)
    found = examine(storage, SMALL, ManualClock())
    assert found.failed == ("rights",)
    assert said(found, "rights") == "connection refused"


def test_an_interrupt_leaves_nothing_behind():
    storage = memory()

    def interrupt(finding):
        if finding.check == "list after write":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(storage, SMALL, ManualClock(), on_finding=interrupt)
    assert not list(storage.list())
