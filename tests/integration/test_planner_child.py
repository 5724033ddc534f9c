"""The real child process that loads jobs: its answer, and everything user code may do to it."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent

import msgspec
import pytest

from weir.errors import FailureKind
from weir.graph import codec
from weir.rpc.messages import JobSpec


@pytest.fixture
def ask(tmp_path):
    """Run ``text`` as the module ``jobs`` in a child; gives its answer, exit code, stdout and stderr."""

    def run(text: str, *, by_stdout: bool = False, seed: str = "0", **spec):
        (tmp_path / "jobs.py").write_text(dedent(text))
        request = msgspec.msgpack.encode(
            JobSpec(name="n", entrypoint="jobs:build", python_path=(str(tmp_path),), **spec)
        )
        reading, writing = os.pipe()
        child = subprocess.Popen(
            [sys.executable, "-m", "weir.api.planner", *([] if by_stdout else [str(writing)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[writing],
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        os.close(writing)
        out, err = child.communicate(request)
        with os.fdopen(reading, "rb") as answers:
            data = answers.read()
        return codec.parse_load_answer(out if by_stdout else data), child.returncode, out, err

    return run


JOB = """
    import os, sys
    def build(env, args):
        print("printed by the user")
        os.write(1, b"written by the user")
        names = {"a", "b", "c", "d", "e"}
        env.from_collection(args).filter(lambda x: x in {"p", "q", "r", "s"}).map(lambda x: (x, names)).uid("m").print()
"""


@pytest.mark.parametrize("by_stdout", [False, True])
def test_the_graph_comes_back_and_prints_do_not_disturb_it(ask, by_stdout):
    answer, code, out, err = ask(JOB, by_stdout=by_stdout, args=("x",))
    assert isinstance(answer, codec.LoadedGraph)
    assert [node.type for node in answer.graph.nodes] == ["source", "filter", "map", "sink"]
    assert code == 0
    assert b"printed by the user" in err
    assert b"written by the user" in err
    assert b"user" not in out or by_stdout


def test_two_processes_with_other_hash_seeds_record_the_same_graph(ask):
    answers = [ask(JOB, seed=seed, args=("x",))[0] for seed in ("1", "2")]
    assert answers[0] == answers[1]


def test_a_fault_of_the_user_is_an_answer_with_their_line_and_frames(ask, tmp_path):
    answer, code, _, _ = ask("def build(env):\n    1 / 0\n")
    assert isinstance(answer, codec.LoadFailed)
    assert answer.message.startswith(f"{tmp_path / 'jobs.py'}:2: ZeroDivisionError: ")
    assert "in build" in answer.traceback
    assert answer.kind is FailureKind.USER
    assert code == 0


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_child_that_is_ended_leaves_no_answer(ask, end):
    answer, code, _, _ = ask(f"import os\ndef build(env):\n    {end}\n")
    assert answer is None
    assert code != 0


def test_threads_of_user_code_do_not_keep_the_child_alive(ask):
    answer, code, _, _ = ask(
        """
        import threading
        def build(env):
            threading.Thread(target=threading.Event().wait).start()
            env.from_collection([1])
        """
    )
    assert isinstance(answer, codec.LoadedGraph)
    assert code == 0


def test_nothing_that_user_code_starts_could_hold_the_answer_open(ask):
    answer, _, _, _ = ask(
        """
        import os
        def build(env):
            open_files = [int(name) for name in os.listdir("/proc/self/fd")]
            inherited = [fd for fd in open_files if fd > 2 and os.path.exists(f"/proc/self/fd/{fd}") and os.get_inheritable(fd)]
            env.from_collection([1]).uid(f"inherited {inherited}")
        """
    )
    assert answer.graph.nodes[0].uid == "inherited []"
