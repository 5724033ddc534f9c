"""A process that uploads an object in parts and never comes to its end: ``python -m tests.support.endless_upload URI NAME``; to be killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

from weir.storage import open_storage
from weir.storage.s3_parts import PART_BYTES

_PIECE = 2**20


def pieces() -> Iterator[bytes]:
    """Three parts, then nothing for ever."""
    for _ in range(3 * PART_BYTES // _PIECE):
        yield os.urandom(_PIECE)
    signal.pause()


if __name__ == "__main__":
    open_storage(sys.argv[1]).write_pieces(sys.argv[2], pieces())
