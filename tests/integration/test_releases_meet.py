"""Processes of two releases meet: refused with both versions named and the next step, whichever side is the newer; nothing runs.

A process of another release is a real one that is told another version before anything of it starts.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc.aio
import msgspec
import pytest

from tests.support.processes import Started
from weir.errors import WeirError
from weir.rpc import codec, messages, wire
from weir.rpc.client import JobManagerClient

OTHER = "9.8.7"
OURS = codec.release()
FAST = {"WEIR_HEARTBEAT_INTERVAL": "200ms", "WEIR_HEARTBEAT_TIMEOUT": "5s"}


class JobManager(Started):
    """A JobManager with REST, of this release or the other."""

    def __init__(self, folder: Path, release: str) -> None:
        self.release = release
        arguments = ["weir.jobmanager", "--port", "0", "--rest", "127.0.0.1:0"]
        super().__init__(folder, [*prefix(release), *arguments], FAST, "jobmanager")
        self.address = self._said("event='jobmanager listens' address='")
        self.rest = self._said("event='rest listens' address='")

    def _said(self, before: str) -> str:
        self.wait(lambda: before in self.stderr, f"it says {before}")
        return self.stderr.split(before)[1].split("'")[0]


def prefix(release: str) -> list[str]:
    """What makes a process one of that release."""
    return [] if release == OURS else ["tests.support.other_release", release]


@pytest.fixture(scope="module", params=[OURS, OTHER])
def jobmanager(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JobManager]:
    folder = tmp_path_factory.mktemp("releases")
    with JobManager(folder, request.param) as made:
        yield made


def test_a_taskmanager_of_the_other_release_is_refused_and_gets_no_slot(
    jobmanager: JobManager, tmp_path: Path
) -> None:
    theirs = OTHER if jobmanager.release == OURS else OURS
    with Started(
        tmp_path,
        [*prefix(theirs), "weir.taskmanager", "--jobmanager", jobmanager.address, "--id", "tm"],
        FAST,
        "tm",
    ) as taskmanager:
        for process in (taskmanager, jobmanager):
            said = (
                f"TaskManager tm is Weir {theirs}, the JobManager is Weir {jobmanager.release}; run both from"
            )
            process.wait(lambda process=process, said=said: said in process.stderr, said)
        assert "registered" not in taskmanager.stderr
        assert taskmanager.process.poll() is None, "it goes on trying: the JobManager may be replaced"


def test_a_command_of_the_other_release_is_refused_before_it_reads_anything(jobmanager: JobManager) -> None:
    theirs = OTHER if jobmanager.release == OURS else OURS
    for command in (["jobs"], ["cancel", "any"], ["stop", "any"]):
        done = subprocess.run(
            [sys.executable, "-m", *prefix(theirs), "weir", *command, "--address", jobmanager.rest],
            cwd=Path(__file__).parent.parent.parent,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"weir: the JobManager at {jobmanager.rest} is Weir {jobmanager.release}, this command is Weir {theirs}; "
            f"use the weir of that release (pip install weir-stream=={jobmanager.release})\n"
        )


def first_answer(address: str, message: bytes) -> messages.SessionDown:
    """What a JobManager answers to a session that begins with these bytes."""

    async def ask() -> bytes:
        async with grpc.aio.insecure_channel(address, options=wire.OPTIONS) as channel:
            stream = channel.stream_stream(f"/{wire.SERVICE}/{wire.SESSION}")()
            await stream.write(message)
            async with asyncio.timeout(60.0):
                found: bytes = await stream.read()
            return found

    return codec.decode_session_down(asyncio.run(ask()))


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (
            {"type": "Register", "version": "10.0", "node": {"name": "tm"}},
            "the TaskManager is Weir 10.0, the",
        ),
        ({"kind": "hello"}, "the TaskManager is Weir of an unknown release, the"),
        (b"\xc1 no msgpack", "the TaskManager is Weir of an unknown release, the"),
    ],
)
def test_a_registration_of_another_shape_is_answered_by_both_versions(
    jobmanager: JobManager, first: object, said: str
) -> None:
    data = first if isinstance(first, bytes) else msgspec.msgpack.encode(first)
    answer = first_answer(jobmanager.address, data)
    assert isinstance(answer, messages.Goodbye)
    assert f"{said} JobManager is Weir {jobmanager.release}; run both from the same release" in answer.reason


def test_a_call_of_the_other_release_is_refused(
    jobmanager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = OTHER if jobmanager.release == OURS else OURS

    async def ask() -> None:
        async with JobManagerClient(jobmanager.address) as client:
            await client.cluster(60.0)

    monkeypatch.setattr(sys.modules["weir"], "__version__", theirs)
    with pytest.raises(
        WeirError, match=f"who calls is Weir {theirs}, the JobManager is Weir {jobmanager.release}"
    ):
        asyncio.run(ask())
    monkeypatch.setattr(sys.modules["weir"], "__version__", jobmanager.release)
    asyncio.run(ask())
