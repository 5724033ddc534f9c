"""Encoding that leaves the interpreter to the data thread. Hot path.

Both share one, and a thread that computes all the time gets half of it or more: the rows of a subtask whose large state is being encoded would
come at a third of their rate. So whoever encodes for a checkpoint rests, in proportion to what it computed; that takes longer for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

#: Rest for each second of the processor.
_REST: Final = 3.0
#: Seconds of rest that are worth a pause; a small snapshot is over before.
_WORTH_IT: Final = 0.002


def paced(
    pieces: Iterable[bytes],
    *,
    processor_time: Callable[[], float] = time.thread_time,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[bytes]:
    """The same pieces, each made when it is asked for, with pauses between them."""
    owed = 0.0
    began = processor_time()
    for piece in pieces:
        owed += (processor_time() - began) * _REST
        yield piece
        if owed >= _WORTH_IT:
            pause(owed)
            owed = 0.0
        began = processor_time()
