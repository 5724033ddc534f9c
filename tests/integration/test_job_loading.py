"""Loading users' modules and scripts from disk: what works, and what each fault says first."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest

from weir.api.loader import load_job, load_request
from weir.errors import JobLoadError
from weir.graph.codec import LoadRequest
from weir.graph.difference import first_difference
from weir.graph.plan import make_plan


@pytest.fixture
def write(tmp_path, monkeypatch):
    """``write("job.py", text)`` puts a file into a fresh folder; what a load does to the process is undone."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def put(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return str(path)

    yield put
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def load(tmp_path, entrypoint="jobs:build", args=(), **settings):
    return load_job(entrypoint, args, [str(tmp_path)], **settings)


def fault(tmp_path, entrypoint="jobs:build", args=()) -> JobLoadError:
    with pytest.raises(JobLoadError) as caught:
        load(tmp_path, entrypoint, args)
    return caught.value


BUILD = """
    def build(env, args):
        env.from_collection(args).map(lambda x: x + "!").print()
"""
SCRIPT = """
    import sys
    from weir import StreamExecutionEnvironment
    from jobs import build

    class Row: pass

    if __name__ == "__main__":
        env = StreamExecutionEnvironment.get_execution_environment()
        build(env, sys.argv[1:])
        env.execute("from the script")
        raise AssertionError("execute() must not return while the job is loaded")
"""


def test_a_function_and_a_script_give_the_same_plan(write, tmp_path):
    write("jobs.py", BUILD)
    script = write("job.py", SCRIPT)
    one, other = load(tmp_path, args=["a"]), load(tmp_path, script, ["a"])
    assert first_difference(make_plan(one.graph, 2, 128), make_plan(other.graph, 2, 128)) == ""
    assert (one.graph.name, other.graph.name) == ("build", "from the script")
    assert load(tmp_path, script, name="given").graph.name == "given"


def test_a_script_becomes_main_so_that_its_classes_are_found_by_name(write, tmp_path):
    write("jobs.py", BUILD)
    load(tmp_path, write("job.py", SCRIPT))
    assert sys.modules["__main__"].Row.__module__ == "__main__"


def test_a_script_may_catch_exceptions_around_execute(write, tmp_path):
    script = write(
        "job.py",
        """
        from weir import StreamExecutionEnvironment
        env = StreamExecutionEnvironment()
        env.from_collection([1]).print()
        try:
            env.execute("x")
        except BaseException:
            raise SystemExit(3)
        """,
    )
    assert len(load(tmp_path, script).graph.nodes) == 2


def test_build_may_take_only_env_and_may_call_execute(write, tmp_path):
    write(
        "jobs.py",
        "def build(env):\n    env.from_collection([1]).print()\n    env.execute('named')\n    raise OSError\n",
    )
    assert load(tmp_path).graph.name == "named"


def test_a_method_of_an_object_can_be_the_entry(write, tmp_path):
    write(
        "jobs.py",
        """
        class Job:
            def __call__(self, env, args):
                env.from_collection(args).print()
        build = Job()
        """,
    )
    assert len(load(tmp_path).graph.nodes) == 2


def test_the_build_sees_the_parallelism_that_wins(write, tmp_path):
    write(
        "jobs.py",
        "def build(env):\n    env.from_collection([env.get_parallelism(), env.get_max_parallelism()])\n",
    )
    request = LoadRequest(
        name="n",
        entrypoint="jobs:build",
        python_path=(str(tmp_path),),
        parallelism=2,
        max_parallelism=64,
        defaults={"parallelism.default": "3"},
        overrides={"parallelism.default": "5"},
    )
    assert load_request(request).sources[1]._values == [5, 64]


def test_a_missing_module_names_the_nearest_and_where_was_looked(write, tmp_path):
    write("jobs.py", BUILD)
    assert str(fault(tmp_path, "job:build")) == (
        f"module job not found: there is no job in {tmp_path}; did you mean jobs?"
    )
    write("flights/__init__.py", "")
    write("flights/job.py", BUILD)
    assert "did you mean flights.job?" in str(fault(tmp_path, "flights.jbo:build"))


def test_a_missing_import_inside_the_module_is_the_users_line(write, tmp_path):
    path = write("jobs.py", "import os\nimport does_not_exist\n")
    assert str(fault(tmp_path)).startswith(f"{path}:2: ModuleNotFoundError: No module named 'does_not_exist'")


def test_a_syntax_error_is_the_users_line(write, tmp_path):
    path = write("jobs.py", "x = 1\ndef build(env:\n")
    assert str(fault(tmp_path)).startswith(f"{path}:2: SyntaxError: ")
    script = write("job.py", "x = 1\nx = = 2\n")
    assert str(fault(tmp_path, script)).startswith(f"{script}:2: SyntaxError: ")


def test_a_missing_function_names_the_nearest(write, tmp_path):
    path = write("jobs.py", BUILD)
    assert (
        str(fault(tmp_path, "jobs:biuld"))
        == f"{path}: module jobs has no function biuld; did you mean build?"
    )


def test_an_exception_in_build_begins_with_the_users_line_and_keeps_their_frames(write, tmp_path):
    path = write(
        "jobs.py", "import json\ndef build(env):\n    helper()\ndef helper():\n    json.loads('{')\n"
    )
    error = fault(tmp_path)
    assert str(error).startswith(f"{path}:5: JSONDecodeError: ")
    assert str(error).endswith("(in jobs:build)")
    assert f'"{path}", line 3, in build' in error.user_traceback
    assert "/weir/" not in error.user_traceback


def test_a_slip_in_a_fluent_call_is_the_users_line(write, tmp_path):
    path = write("jobs.py", "def build(env):\n    stream = env.from_collection([1])\n    stream.map(5)\n")
    assert str(fault(tmp_path)) == f"{path}:3: map() takes a callable or a MapFunction, got int: 5"


FAULTS = {
    "a value": ("build = 5", "jobs:build is of type int, not a function"),
    "a coroutine": ("async def build(env): pass", "build is a coroutine or generator function"),
    "a generator": ("def build(env):\n    yield env", "build is a coroutine or generator function"),
    "no parameter": (
        "def build(): pass",
        "jobs:build() cannot be called; write it as build(env) or build(env, args)",
    ),
    "many parameters": ("def build(a, b, c): pass", "jobs:build(a, b, c) cannot be called"),
    "nothing made": ("def build(env): pass", "jobs:build made no operators on the environment it was given"),
    "another environment": (
        "import weir\ndef build(env):\n    weir.StreamExecutionEnvironment().from_collection([1])",
        "made no operators on the environment it was given",
    ),
    "exit": ("import sys\ndef build(env): sys.exit(4)", "jobs:build called sys.exit(4) in build"),
    "exit while imported": ("raise SystemExit", "module jobs called sys.exit() while it was imported"),
    "execute while imported": (
        "import weir\nenv = weir.StreamExecutionEnvironment()\nenv.from_collection([1])\nenv.execute('x')",
        "module jobs called env.execute() while it was imported; do it in build(env)",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_module_that_makes_no_job_says_why(write, tmp_path, case):
    text, message = FAULTS[case]
    write("jobs.py", text)
    assert message in str(fault(tmp_path))


def test_arguments_for_a_build_that_takes_none_are_refused(write, tmp_path):
    path = write("jobs.py", "def build(env):\n    env.from_collection([1])\n")
    assert str(fault(tmp_path, args=["a", "b"])) == (
        f"{path}:1: jobs:build takes only env, but 2 arguments were given (a b); write it as build(env, args)"
    )


def test_a_script_that_never_executes_says_so(write, tmp_path):
    script = write("job.py", "import weir\nenv = weir.StreamExecutionEnvironment()\n")
    assert str(fault(tmp_path, script)) == (
        f"{script}: the script ended without calling env.execute(...); end it with env.execute('name')"
    )


def test_a_script_that_exits_first_says_where(write, tmp_path):
    script = write("job.py", "import sys\nsys.exit('no input')\n")
    assert str(fault(tmp_path, script)) == (
        f"{script}:2: script {script} called sys.exit('no input') before it called env.execute(...)"
    )


def test_a_missing_script_names_the_nearest(write, tmp_path):
    script = write("job.py", "")
    assert f"did you mean {script}?" in str(fault(tmp_path, script.replace("job.py", "jop.py")))


@pytest.mark.parametrize("entrypoint", ["jobs", "jobs:", ":build", "job.yaml"])
def test_an_entrypoint_of_another_form_is_refused(tmp_path, entrypoint):
    assert "neither package.module:function nor a path that ends in .py" in str(fault(tmp_path, entrypoint))
