"""A TaskManager whose network carries 64 KiB a second: nothing restarts, and the edge that is slow is named. Row R6."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.namespaces import Namespace
from tests.support.processes import resource
from tests.support.reference_rows import Reference
from tests.support.served import JobManager, TaskManager

HERE, THERE = "198.18.7.1", "198.18.7.2"
#: Each of several waits in a row may take long on a busy machine.
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        os.geteuid() != 0 or not (shutil.which("tc") and shutil.which("unshare")),
        reason="needs Linux, root, iproute2",
    ),
]


class Cable:
    """Between this machine and a network of its own."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.far = Namespace(stack)
        self._near = f"weir{self.far.pid}"
        _run(f"ip link add {self._near} type veth peer name eth0 netns {self.far.pid}")
        _run(f"ip address add {HERE}/30 dev {self._near}")
        _run(f"ip link set {self._near} up")
        self.far.run(*f"ip address add {THERE}/30 dev eth0".split())
        self.far.run(*["ip", "link", "set", "eth0", "up"])

    def narrow(self) -> None:
        """64 KiB a second in each direction."""
        limit = "root tbf rate 64kibps burst 16k latency 500ms"
        _run(f"tc qdisc add dev {self._near} {limit}")
        self.far.run(*f"tc qdisc add dev eth0 {limit}".split())

    def widen(self) -> None:
        _run(f"tc qdisc del dev {self._near} root")
        self.far.run(*["tc", "qdisc", "del", "dev", "eth0", "root"])


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True, timeout=60)


@pytest.fixture
def cable() -> Iterator[Cable]:
    with contextlib.ExitStack() as stack:
        yield Cable(stack)


def job_of(jobmanager: JobManager) -> Any:
    """What REST says of the job."""
    pattern = r"weir: REST at http://(\S+)"
    address = jobmanager.wait(lambda: re.search(pattern, jobmanager.stderr), "REST listens").group(1)
    with urllib.request.urlopen(f"http://{address}/jobs/{jobmanager.job_folder().name}") as answer:
        return json.load(answer)


def test_nothing_restarts_on_a_slow_link_and_the_slow_edge_is_named(tmp_path: Path, cable: Cable) -> None:
    described = resource(Reference(out=""), tmp_path, entrypoint="tests.support.pressed_job:build")
    described["spec"]["job"]["args"] = [str(tmp_path), str(10**9), "20000", "0"]
    options = ["--host", HERE]
    # The default of a user: heartbeats share the link with rows, so how late they come is what this is about.
    patience = {"WEIR_HEARTBEAT_TIMEOUT": "8s"}
    with contextlib.ExitStack() as stack:
        jobmanager = stack.enter_context(
            JobManager(tmp_path, described, patience, options=[*options, "--rest", "127.0.0.1:0"])
        )
        address = jobmanager.address()
        stack.enter_context(TaskManager(tmp_path, address, name="near", options=options))
        stack.enter_context(
            TaskManager(tmp_path, address, name="far", within=cable.far.entered(), options=["--host", THERE])
        )
        jobmanager.wait(lambda: len(jobmanager.completed()) >= 2, "2 checkpoints complete")
        jobmanager.wait(lambda: job_of(jobmanager)["slowEdge"] is None, "no edge holds rows up")
        cable.narrow()

        def by_link() -> Any:
            found = job_of(jobmanager)["slowEdge"]
            return found if found is not None and found["cause"] == "link" else None

        def at_its_rate() -> Any:
            found = by_link()
            return found if found is not None and found["bytesPerSecond"] < 2 * 64 * 1024 else None

        found = jobmanager.wait(at_its_rate, "the slow edge is named")
        assert {found[end]["taskmanager-id"].split("-")[0] for end in ("source", "target")} == {"near", "far"}
        assert found["source"]["name"].startswith("fast") and found["target"]["name"].startswith("slow")
        before = len(jobmanager.completed())
        jobmanager.wait(lambda: len(jobmanager.completed()) >= before + 2, "checkpoints go on")
        cable.widen()
        jobmanager.wait(lambda: by_link() is None, "the link is not slow any more")
        before = len(jobmanager.completed())
        jobmanager.wait(lambda: len(jobmanager.completed()) >= before + 2, "checkpoints go on")
        assert (job_of(jobmanager)["restarts"], job_of(jobmanager)["attempt"]) == (0, 1)
