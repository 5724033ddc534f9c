"""Real shells with the script of ``weir completion``: commands, options and names of jobs, as somebody who presses Tab gets them."""

from __future__ import annotations

import http.server
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

LIMIT = 90.0
NAMES = ("count-flights", "copy-rows", "flights:daily")


class JobManager(http.server.BaseHTTPRequestHandler):
    """Answers as one with these jobs."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"jobs": [{"name": name} for name in NAMES]}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), JobManager) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def shell_environment(address: str, home: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "WEIR_ADDRESS": address, "TERM": "dumb", "HOME": str(home)}


class Terminal:
    """A shell on a terminal; what it shows is read until it shows what was expected."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)

    def type(self, keys: str, until: str) -> str:
        """What is shown after ``keys`` up to ``until``."""
        os.write(self._ours, keys.encode())
        shown, deadline = "", time.monotonic() + LIMIT
        while until not in shown:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{until!r} did not come; shown: {shown!r}"
            shown += os.read(self._ours, 65536).decode(errors="replace")
        return shown

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


BASH = 'eval "$(weir completion bash)"'
ZSH = 'PROMPT="> "; autoload -Uz compinit; compinit -u -D; unsetopt zle_bracketed_paste; eval "$(weir completion zsh)"'
SHELLS = {"bash": (["bash", "--norc", "--noprofile", "-i"], BASH), "zsh": (["zsh", "-f", "-i"], ZSH)}


@pytest.fixture(params=SHELLS)
def terminal(request: pytest.FixtureRequest, address: str, tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    command, setup = SHELLS[request.param]
    made = Terminal(command, shell_environment(address, tmp_path))
    made.type(f"{setup}; echo read'y'\n", "\nready")
    yield made
    made.close()


def test_a_job_is_completed_where_only_one_fits(terminal: Terminal) -> None:
    terminal.type("weir status cou\t", "count-flights")


def test_a_command_and_then_an_option_are_completed(terminal: Terminal) -> None:
    terminal.type("weir che\t", "checkpoints")
    terminal.type("--addr\t", "--address")


def test_jobs_are_offered_where_several_fit(terminal: Terminal) -> None:
    shown = terminal.type("weir cancel \t\t", "count-flights")
    assert "copy-rows" in shown or terminal.type("\t", "copy-rows")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("weir status co", {"count-flights", "copy-rows"}),
        ("weir stop fl", {"flights:daily"}),
        ("weir resc", {"rescale"}),
        ("weir stop --dr", {"--drain"}),
    ],
)
def test_fish_offers_what_fits(address: str, tmp_path: Path, typed: str, offered: set[str]) -> None:
    program = f"weir completion fish | source; complete -C '{typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        capture_output=True,
        text=True,
        env=shell_environment(address, tmp_path),
        timeout=LIMIT,
        check=True,
    )
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["status", "co"], {"count-flights", "copy-rows"}),
        (["rescale", "fl"], {"flights:daily"}),
        (["savepoint", "x"], set()),
    ],
)
def test_by_the_protocol_of_each_script_jobs_are_offered(
    address: str, tmp_path: Path, shell: str, typed: list[str], offered: set[str]
) -> None:
    words = " ".join(["weir", *typed])
    position = str(len(typed)) if shell != "fish" else typed[-1]
    environment = shell_environment(address, tmp_path) | {
        "_WEIR_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": position,
    }
    done = subprocess.run(
        [sys.executable, "-m", "weir"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=LIMIT,
        check=True,
    )
    answer = done.stdout.replace("\\:", ":")
    assert {name for name in NAMES if name in answer} == offered


def test_the_address_on_the_line_is_the_one_that_is_asked(address: str, tmp_path: Path) -> None:
    environment = shell_environment("127.0.0.1:9", tmp_path) | {
        "_WEIR_COMPLETE": "bash_complete",
        "COMP_WORDS": f"weir status --address {address} cou",
        "COMP_CWORD": "4",
    }
    done = subprocess.run(
        [sys.executable, "-m", "weir"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=LIMIT,
        check=True,
    )
    assert "count-flights" in done.stdout
