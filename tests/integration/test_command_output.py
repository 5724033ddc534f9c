"""The command in a process of its own: what is loaded, where output goes, colours, and shells."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from weir.cli.main import _COMMANDS

WEIR = [sys.executable, "-m", "weir"]
HEAVY = {"grpc", "minio", "urllib3", "yaml", "structlog", "rich", "msgspec", "asyncio", "aiohttp"}
JOB = """
from weir import CollectionSource, PrintSink


def build(env):
    env.from_source(CollectionSource([1, 2]), name="rows").uid("rows").sink_to(PrintSink()).uid("out")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny_job.py").write_text(JOB)
    return tmp_path


def modules_of(environment: dict[str, str], *arguments: str) -> set[str]:
    code = (
        "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        f"from weir.cli.main import run_command; run_command({list(arguments)})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    return set(done.stderr.split())


def test_help_loads_no_command():
    loaded = modules_of({}, "--help")
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("weir.cli.")} == {"weir.cli.main"}


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_completing_a_command_loads_its_declaration_only(command):
    environment = {
        "_WEIR_COMPLETE": "bash_complete",
        "COMP_WORDS": f"weir {command} --",
        "COMP_CWORD": "2",
    }
    assert not modules_of(environment) & HEAVY


def test_stdout_is_data_and_everything_else_is_on_stderr(folder):
    done = subprocess.run(
        [*WEIR, "run", "tiny_job:build", "-o", "json", "--set", "execution.checkpointing.interval=1s"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    printed, _, summary = done.stdout.partition("{")  # the job's own print sink prints there too
    assert printed.split() == ["1", "2"]
    assert json.loads("{" + summary)["state"] == "FINISHED"
    assert "is FINISHED after" in done.stderr


def test_a_reader_that_goes_away_is_no_traceback(folder):
    process = subprocess.Popen(
        [*WEIR, "config", "explain", "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait() in {0, 1}


def on_a_terminal(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a terminal gets to see of stderr."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    seen = b""
    try:
        while data := os.read(ours, 65536):
            seen += data
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(ours)
        process.wait()
    return seen.decode()


COLOUR = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")


@pytest.mark.parametrize("no_color", ["1", ""])
def test_a_terminal_sees_one_line_written_over_and_no_colour_whatever_no_color_says(folder, no_color):
    drawn = on_a_terminal([*WEIR, "run", "tiny_job:build"], folder, {"NO_COLOR": no_color, "TERM": "xterm"})
    assert "\r\x1b[2K" in drawn
    assert not COLOUR.search(drawn)


def test_bash_completes_by_the_script(tmp_path):
    script = tmp_path / "weir.bash"
    script.write_text(subprocess.check_output([*WEIR, "completion", "bash"], text=True))
    program = f'source "{script}"; COMP_WORDS=(weir ins); COMP_CWORD=1; _weir_completion weir; echo "${{COMPREPLY[@]}}"'
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        check=True,
    )
    assert done.stdout.split() == ["inspect"]
