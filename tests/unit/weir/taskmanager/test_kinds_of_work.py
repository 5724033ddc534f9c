"""Whose work a stack of the data thread was, told from the files of its frames."""

from __future__ import annotations

import sysconfig
import threading
from pathlib import Path

import pytest

import weir
from weir.taskmanager.kinds_of_work import ENGINE, NETWORK, SERIALISATION, STATE, USER, kind_of

WEIR = Path(weir.__file__).parent
STANDARD = threading.__file__
INSTALLED = f"{sysconfig.get_paths()['purelib']}/pandas/frame.py"
OPERATOR, LOOP, JOB = f"{WEIR}/operators/process.py", f"{WEIR}/taskmanager/loop.py", "/home/u/job.py"


@pytest.mark.parametrize(
    ("innermost_first", "kind"),
    [
        ([JOB, OPERATOR, LOOP], USER),
        ([STANDARD, JOB, OPERATOR, LOOP], USER),
        ([INSTALLED, JOB, OPERATOR, LOOP], USER),
        ([INSTALLED, OPERATOR, LOOP], USER),
        (["<string>", JOB, OPERATOR], USER),
        ([f"{WEIR}/state/heap.py", JOB, OPERATOR, LOOP], STATE),
        ([STANDARD, f"{WEIR}/taskmanager/exchange/row_codec.py", LOOP], SERIALISATION),
        ([INSTALLED, f"{WEIR}/serde/builtin.py", f"{WEIR}/state/rocksdb/table.py"], SERIALISATION),
        ([f"{WEIR}/taskmanager/exchange/channels.py", LOOP], NETWORK),
        ([OPERATOR, LOOP], ENGINE),
        ([STANDARD, LOOP], ENGINE),
        ([], ENGINE),
    ],
)
def test_the_innermost_frame_that_belongs_to_anybody_decides(innermost_first, kind):
    assert kind_of(innermost_first) == kind
