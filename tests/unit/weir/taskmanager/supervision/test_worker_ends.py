"""What is said about a worker that hung, crashed or was killed."""

from __future__ import annotations

import faulthandler
import tempfile

import pytest

from weir.errors import FailureKind
from weir.ids import WorkerId
from weir.taskmanager.supervision import exits, traces
from weir.taskmanager.supervision.progress import LAYOUT, SIZE, Progress
from weir.taskmanager.supervision.stall import StallWatch
from weir.taskmanager.supervision.traces import Frame

ENGINE, STDLIB = "/lib/weir", "/usr/lib/python3.11"
DUMP = """\
Thread 0x00007f1 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 320 in wait
  File "/lib/weir/taskmanager/worker.py", line 12 in run

Current thread 0x00007f2 (most recent call first):
  File "/usr/lib/python3.11/socket.py", line 706 in readinto
  File "/home/me/job.py", line 17 in enrich
  File "/home/me/job.py", line 40 in process_element
  File "/lib/weir/operators/process.py", line 99 in process
  File "<frozen runpy>", line 88 in _run_code
"""


def signs(label: str = "'enrich' (uid e)", frame: Frame | None = None, stderr: str = "") -> exits.LastSigns:
    return exits.LastSigns(WorkerId("w"), label, stderr, frame)


def test_the_users_innermost_line_is_found_below_library_calls() -> None:
    assert traces.user_frame(DUMP, ENGINE, [STDLIB]) == Frame("/home/me/job.py", 17, "enrich")


def test_user_code_that_called_back_into_the_engine_is_found() -> None:
    dump = DUMP.replace("/usr/lib/python3.11/socket.py", "/lib/weir/state/heap.py")
    assert traces.user_frame(dump, ENGINE, [STDLIB]) == Frame("/home/me/job.py", 17, "enrich")


def test_user_code_that_is_installed_among_libraries_is_found_last() -> None:
    dump = DUMP.replace("/home/me/", f"{STDLIB}/site-packages/")
    assert traces.user_frame(dump, ENGINE, [STDLIB]) == Frame(f"{STDLIB}/site-packages/job.py", 17, "enrich")


@pytest.mark.parametrize("dump", ["", DUMP.partition("\n\n")[0], "Fatal Python error: Segmentation fault\n"])
def test_a_dump_without_user_code_names_none(dump: str) -> None:
    assert traces.user_frame(dump, ENGINE, [STDLIB]) is None


def test_what_faulthandler_writes_today_is_understood() -> None:
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file=file, all_threads=True)
        file.seek(0)
        dump = file.read().decode()
    functions = {frame.function for block in traces.threads(dump) for frame in block}
    assert "test_what_faulthandler_writes_today_is_understood" in functions


def test_a_hang_is_the_users_and_names_line_operator_and_limit() -> None:
    failure = exits.stalled(61.2, 60.0, signs(frame=Frame("/home/me/job.py", 17, "enrich")))
    assert failure.kind is FailureKind.USER
    assert failure.message.startswith("/home/me/job.py:17 in enrich: 'enrich' (uid e) did not return")
    assert "task.stall-timeout is 60 s" in failure.message
    assert failure.operator == "'enrich' (uid e)"
    assert failure.restartable


def test_an_exit_within_user_code_is_the_users() -> None:
    failure = exits.ended(3, signs(stderr="bye\n"))
    assert failure.kind is FailureKind.USER
    assert "exit code 3 while 'enrich' (uid e) ran" in failure.message
    assert failure.traceback == "bye"


def test_an_exit_outside_of_user_code_is_a_lost_worker() -> None:
    failure = exits.ended(1, signs(label=""))
    assert (failure.kind, failure.operator) == (FailureKind.WORKER_LOST, None)


def test_a_crash_of_native_code_is_the_users() -> None:
    failure = exits.ended(-11, signs())
    assert failure.kind is FailureKind.USER
    assert "crashed with SIGSEGV while 'enrich' (uid e) ran" in failure.message


def test_a_kill_hints_at_memory() -> None:
    failure = exits.ended(-9, signs())
    assert failure.kind is FailureKind.WORKER_LOST
    assert "killed by SIGKILL" in failure.message
    assert "out of memory" in failure.message


def test_other_signals_give_no_such_hint() -> None:
    assert "memory" not in exits.ended(-15, signs()).message


def test_a_busy_thread_that_does_not_move_stalls() -> None:
    watch = StallWatch()
    assert watch.stalled_for(Progress(5, True, "x"), 10.0) == 0.0
    assert watch.stalled_for(Progress(5, True, "x"), 14.5) == 4.5


def test_a_thread_that_moves_or_waits_never_stalls() -> None:
    watch = StallWatch()
    watch.stalled_for(Progress(5, True, "x"), 0.0)
    assert watch.stalled_for(Progress(6, True, "x"), 100.0) == 0.0
    assert watch.stalled_for(Progress(6, False, ""), 200.0) == 0.0
    assert watch.stalled_for(Progress(6, True, "x"), 300.0) == 100.0


def test_what_a_frozen_watcher_did_not_see_does_not_count() -> None:
    watch = StallWatch()
    watch.stalled_for(Progress(5, True, "x"), 0.0)
    watch.forgive(1000.0)
    assert watch.stalled_for(Progress(5, True, "x"), 1001.0) == 1.0


def test_progress_fits_into_its_memory() -> None:
    assert LAYOUT.size == SIZE == 128
