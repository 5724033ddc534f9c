"""A worker's progress, in memory that it shares with its supervisor.

The data thread writes once a batch: a counter that moves, whether it is inside a call, and the label of the operator
whose code runs. The supervisor reads it with each check. No lock: a torn label costs a wrong name in a message,
never a wrong decision, since counter and flag are single aligned words.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Final, NamedTuple

#: Loop counter, busy flag (0 or 1), UTF-8 label of the running operator.
LAYOUT: Final = struct.Struct("<QQ112s")
SIZE: Final = LAYOUT.size


class Progress(NamedTuple):
    """What a worker's data thread said last."""

    counter: int
    busy: bool
    label: str


class SharedProgress:
    """The supervisor's view of one worker's 128 bytes, backed by an anonymous file."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("weir-progress")
        os.ftruncate(self.fd, SIZE)
        self._memory = mmap.mmap(self.fd, SIZE)

    def read(self) -> Progress:
        """What is there now."""
        counter, busy, label = LAYOUT.unpack_from(self._memory, 0)
        return Progress(counter, bool(busy), label.rstrip(b"\0").decode(errors="replace"))

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self.fd)
