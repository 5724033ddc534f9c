"""The promises of ``storage.base``, each as a check that ends in a verdict and a sentence."""

from __future__ import annotations

import contextlib
import enum
import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from weir.clock import Clock
from weir.errors import ObjectExists, ObjectNotFound, StorageDenied
from weir.storage.doctor.race import Attempt, race
from weir.storage.doctor.recording import Recording

#: Objects of the checks that look for one that is late.
_OBJECTS = 20
#: Milliseconds that the store's clock may be off: stores tell seconds, so one is no finding.
_SKEW_WARN_MS, _SKEW_FAIL_MS = 2_000, 300_000


class Verdict(enum.StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105  a verdict
    WARN = "warn"  #: it works, and a person should look
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Extent:
    """How hard to look."""

    writers: int = 32
    rounds: int = 5
    #: One byte beyond the size from which objects are uploaded in parts; 0 leaves the check out.
    large_bytes: int = 64 * 1024 * 1024 + 1


@dataclass(frozen=True)
class Judged:
    """What a check found."""

    verdict: Verdict
    said: str


class Checks:
    """All checks of one examination, on objects below one prefix."""

    def __init__(self, storage: Recording, extent: Extent, clock: Clock) -> None:
        self._storage = storage
        self._extent = extent
        self._clock = clock
        self._races: list[list[Attempt]] = []

    def all(self) -> Iterator[tuple[str, Callable[[], Judged]]]:
        """The checks by name; without the first one the others make no sense."""
        yield "rights", self.rights
        yield from self.of_the_fence()
        yield "read after write", self.read_after_write
        yield "list after write", self.list_after_write
        yield "range reads", self.range_reads
        yield "rename", self.rename
        yield "large objects", self.large_objects
        yield "clock", self.clock_skew

    def of_the_fence(self) -> Iterator[tuple[str, Callable[[], Judged]]]:
        """Those that decide whether two JobManagers could both own a job; the cheapest first."""
        yield "created objects stay", self.created_stays
        yield "create if absent", self.create_if_absent
        yield "read-back after refusal", self.read_back

    def rights(self) -> Judged:
        storage = self._storage
        denied = []
        for right, call in (
            ("write", lambda: storage.write("rights/a", b"x")),
            ("create", lambda: storage.create_if_absent("rights/b", b"x")),
            ("read", lambda: storage.read("rights/a")),
            ("list", lambda: list(storage.list("rights/"))),
            ("delete", lambda: storage.delete("rights/a")),
        ):
            try:
                call()
            except StorageDenied as error:
                denied.append((right, str(error)))
            except ObjectNotFound:  # nothing could be written, so there is nothing to read
                continue
        if denied:
            return failed(f"may not {', '.join(right for right, _ in denied)}: {denied[0][1]}")
        return passed("write, create, read, list, delete")

    def create_if_absent(self) -> Judged:
        """One winner among many, in every round."""
        errors = 0
        for number in range(self._extent.rounds):
            attempts = race(self._storage, f"race/{number}", self._extent.writers)
            self._races.append(attempts)
            told = sum(attempt.created for attempt in attempts)
            said_errors = [attempt.error for attempt in attempts if attempt.error]
            errors += len(said_errors)
            if len(said_errors) == len(attempts):
                return failed(f"none of {len(attempts)} writers at once got an answer: {said_errors[0]}")
            if told > 1:
                return failed(
                    f"{told} of {len(attempts)} writers were told that they created the same object: the store ignores "
                    "If-None-Match, or looks before it writes, so two JobManagers could both own a job"
                )
            final = self._storage.read(f"race/{number}")
            if final not in {attempt.writer for attempt in attempts}:
                return failed(f"the object holds {len(final)} bytes that no writer wrote")
            winner = next((attempt.writer for attempt in attempts if attempt.created), final)
            if winner != final:
                return failed("the object of the winner was replaced by a writer that was refused")
        said = f"{self._extent.rounds} rounds of {self._extent.writers} writers: one winner in each"
        if errors:
            return Judged(Verdict.WARN, f"{said}; {errors} writers got an error instead of an answer")
        return passed(said)

    def read_back(self) -> Judged:
        """Whoever was refused sees the winner's object at once, and whole."""
        refused = 0
        for attempts in self._races:
            winner = next((attempt.writer for attempt in attempts if attempt.created), None)
            for attempt in attempts:
                if attempt.created or attempt.error:
                    continue
                refused += 1
                if attempt.read is None:
                    return failed("a writer was refused since the object exists, and then could not read it")
                if winner is not None and attempt.read != winner:
                    return failed(
                        "a writer was refused, and then read something else than the winner's object"
                    )
        if not refused:
            return failed("no writer was refused")
        return passed(f"{refused} refused writers read the winner's object")

    def created_stays(self) -> Judged:
        storage = self._storage
        storage.create_if_absent("stays", b"first")
        for data in (b"first", b"second"):
            with contextlib.suppress(ObjectExists):
                storage.create_if_absent("stays", data)
                return failed(
                    "an object that exists was created a second time: the store ignores If-None-Match, so two JobManagers "
                    "could both own a job"
                )
        if storage.read("stays") != b"first":
            return failed("a refused creation changed the object")
        storage.delete("stays")
        storage.create_if_absent("stays", b"third")
        return passed("refused later on, unchanged, free again when deleted")

    def read_after_write(self) -> Judged:
        storage = self._storage
        for number in range(_OBJECTS):
            name = f"read/{number}"
            for data in (b"new", b"replaced"):
                storage.write(name, data)
                found = storage.read(name)
                if found != data:
                    return failed(f"an object that was written as {data!r} was read as {found!r}")
                if storage.size(name) != len(data):
                    return failed(f"an object of {len(data)} bytes is said to have {storage.size(name)}")
            storage.delete(name)
            with contextlib.suppress(ObjectNotFound):
                storage.read(name)
                return failed("an object could be read after it was deleted")
        return passed(f"{_OBJECTS} objects: new, replaced, deleted")

    def list_after_write(self) -> Judged:
        storage = self._storage
        names = sorted(f"list/{number:02}/object" for number in range(_OBJECTS))
        for count, name in enumerate(names, 1):
            storage.write(name, b"x" * count)
            if names[:count] != [info.name for info in storage.list("list/")]:
                return failed(
                    f"object {count} of {_OBJECTS} was not listed, or not in order, after it was written"
                )
        sizes = [info.size for info in storage.list("list/")]
        if sizes != list(range(1, _OBJECTS + 1)):
            return failed(f"sizes are listed as {sizes[:5]}..., written were 1, 2, 3, ...")
        if [info.name for info in storage.list("list/07")] != names[7:8]:
            return failed("a listing by a prefix gives other objects too, or not its own")
        for count, name in enumerate(names, 1):
            storage.delete(name)
            if names[count:] != [info.name for info in storage.list("list/")]:
                return failed(f"object {count} of {_OBJECTS} was listed after it was deleted")
        return passed(f"{_OBJECTS} objects: listed when written, gone when deleted, in order")

    def range_reads(self) -> Judged:
        storage = self._storage
        data = bytes(range(256)) * 16
        storage.write("range", data)
        for start, length in (
            (0, 1),
            (100, 1000),
            (4000, 1000),
            (4095, 1),
            (4096, 10),
            (9000, 10),
            (0, 4096),
        ):
            found = storage.read_range("range", start, length)
            if found != data[start : start + length]:
                return failed(
                    f"{length} bytes from {start} of an object of {len(data)} gave {len(found)} bytes, or others"
                )
        return passed("within, up to and beyond the end")

    def rename(self) -> Judged:
        storage = self._storage
        storage.write("rename/from", b"moved")
        storage.write("rename/to", b"old")
        storage.rename("rename/from", "rename/to")
        if storage.read("rename/to") != b"moved":
            return failed("the target does not hold the object after a rename")
        if [info.name for info in storage.list("rename/")] != ["rename/to"]:
            return failed("the source is still listed after a rename")
        return passed("moves and replaces")

    def large_objects(self) -> Judged:
        size = self._extent.large_bytes
        if not size:
            return Judged(Verdict.SKIPPED, "left out, as was asked for")
        block = secrets.token_bytes(1024 * 1024)
        data = (block * (size // len(block) + 1))[:size]
        self._storage.write("large", data)
        found = self._storage.read("large")
        if hashlib.sha256(found).digest() != hashlib.sha256(data).digest():
            return failed(f"an object of {size} bytes was read as {len(found)} bytes, or others")
        middle = self._storage.read_range("large", size // 2, 1000)
        if middle != data[size // 2 : size // 2 + 1000]:
            return failed("a part of a large object was read as other bytes")
        return passed(f"{size / 2**20:.0f} MiB, written in parts where the store has them")

    def clock_skew(self) -> Judged:
        before = self._clock.wall_ms()
        self._storage.write("clock", b"x")
        after = self._clock.wall_ms()
        info = next(info for info in self._storage.list("clock"))
        off = 0
        if info.modified_ms < before - 1000:
            off = info.modified_ms - before
        elif info.modified_ms > after + 1000:
            off = info.modified_ms - after
        if not off:
            return passed("the store's clock and this machine's agree")
        direction = "ahead of" if off > 0 else "behind"
        said = f"the store's clock is {abs(off) / 1000:.1f} s {direction} this machine's; correct one of them"
        return Judged(
            Verdict.FAIL
            if abs(off) > _SKEW_FAIL_MS
            else Verdict.WARN
            if abs(off) > _SKEW_WARN_MS
            else Verdict.PASS,
            said,
        )


def passed(said: str) -> Judged:
    """The store keeps the promise."""
    return Judged(Verdict.PASS, said)


def failed(said: str) -> Judged:
    """The store breaks the promise."""
    return Judged(Verdict.FAIL, said)
