"""A worker that ends at once and leaves behind a process of a session of its own, which keeps stderr open.

The one left behind ends when somebody opens the FIFO named by ``WEIR_TEST_FIFO`` for writing.
"""

from __future__ import annotations

import os
import subprocess

if __name__ == "__main__":
    subprocess.Popen(["cat", os.environ["WEIR_TEST_FIFO"]], start_new_session=True, stdout=subprocess.DEVNULL)
