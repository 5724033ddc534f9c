"""The short examination when a job starts: does the store keep the one promise on which the fence stands?

``examination`` judges everything and takes its time; this asks with a few objects, below one random prefix, whether an object is
created only where there is none: one writer after the other, then many at once. ``jobmanager.journal`` refuses a store that fails.
"""

from __future__ import annotations

import secrets

from weir.clock import SystemClock
from weir.storage.base import Storage
from weir.storage.doctor.checks import Checks, Extent, Verdict
from weir.storage.doctor.examination import PREFIX, Finding
from weir.storage.doctor.recording import Recording
from weir.storage.prefixed import PrefixedStorage

WRITERS = 16


def broken_promise(storage: Storage, writers: int = WRITERS) -> Finding | None:
    """The first check of creating if absent that the store fails; ``None``: it may hold a fence.

    Leaves nothing behind on a store that deletes. Raises ``StorageError`` when the store does not answer, or not to these keys.
    """
    clock = SystemClock()
    recording = Recording(PrefixedStorage(storage, f"{PREFIX}{secrets.token_hex(8)}"))
    checks = Checks(recording, Extent(writers=writers, rounds=1), clock)
    try:
        for name, check in checks.of_the_fence():
            started = clock.monotonic()
            judged = check()
            if judged.verdict is Verdict.FAIL:
                return Finding(name, judged.verdict, judged.said, (clock.monotonic() - started) * 1000)
    finally:
        recording.remove_all()
    return None
