"""Every gRPC method of a run's processes, called with no, a foreign, an expired and a right certificate; and a rotation.

Scorecard rows R34 and R35, as far as the engine goes: the certificates are those that the operator issues.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest

from tests.support import oracle
from tests.support.pods import JobManagerPod, TaskManagerPod, in_cluster
from tests.support.processes import resource
from tests.support.reference_rows import Reference
from weir.errors import ConfigError
from weir.ids import WorkerId
from weir.rpc import links, wire
from weir.rpc.server import ControlServer
from weir.rpc.tls import JOBMANAGER, TASKMANAGER, TlsFolder
from weir.taskmanager.exchange import dataplane
from weir_operator.observed import Component
from weir_operator.resources import tls as authority

HOUR = timedelta(hours=1)
#: Every method that there is, and the role of the process that serves it.
METHODS = {
    f"/{wire.SERVICE}/{wire.SESSION}": JOBMANAGER,
    f"/{wire.SERVICE}/{wire.CALL}": JOBMANAGER,
    f"/{dataplane.SERVICE}/{dataplane.METHOD}": TASKMANAGER,
}
REFUSED = grpc.StatusCode.UNAVAILABLE


def issue(folder: Path, slot: str = "a", begins: timedelta = -HOUR, lifetime: timedelta = 2 * HOUR) -> None:
    """A slot of certificates of a new authority, for both roles."""
    since = datetime.now(UTC) + begins
    names = {component: (component.value,) for component in (Component.JOBMANAGER, Component.TASKMANAGER)}
    issued = authority.issue(names, since, lifetime)
    for component in names:
        place = folder / component.value / slot
        place.mkdir(parents=True)
        (place / "ca.crt").write_text(issued.authority)
        (place / "tls.crt").write_text(issued.certificates[component])
        (place / "tls.key").write_text(issued.keys[component])
        (place / "not-before").write_text(since.isoformat())


def tls(folder: Path, role: str = TASKMANAGER) -> TlsFolder:
    return TlsFolder(str(folder / role))


class Service:
    """A JobManager that does nothing for those who get through."""

    async def serve_session(self, link: links.TaskManagerLink) -> None:
        pass

    async def answer(self, request: object) -> object:
        raise AssertionError("nobody gets that far here")


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Mapping[str, str]]:
    """Both servers with all that they serve; where each role listens."""
    control = await ControlServer.start(Service(), "127.0.0.1", 0, tls(folder, JOBMANAGER))
    plane = dataplane.DataPlane(WorkerId("w"), lambda call: call(), lambda *_: None, tls(folder))
    where = {JOBMANAGER: control.address, TASKMANAGER: await plane.start("127.0.0.1", "127.0.0.1")}
    try:
        yield where
    finally:
        await plane.stop()
        await control.stop(0)


async def code_of(method: str, channel: grpc.aio.Channel) -> grpc.StatusCode:
    """What a call comes to."""
    async with channel:
        call = channel.stream_stream(method)(timeout=30)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await call.write(b"nonsense")
            await call.done_writing()
            async for _answer in call:
                pass
        return await call.code()


def dial(address: str, role: str, own: Path | None, trusted: Path) -> grpc.aio.Channel:
    """A channel that shows the certificate in ``own``, which may be no longer valid."""
    key, certificate = (
        (None, None)
        if own is None
        else (
            (own / "tls.key").read_bytes(),
            (own / "tls.crt").read_bytes(),
        )
    )
    credentials = grpc.ssl_channel_credentials(tls(trusted).material().authorities, key, certificate)
    options = (*wire.OPTIONS, ("grpc.ssl_target_name_override", role))
    return grpc.aio.secure_channel(address, credentials, options=options)


def test_every_method_has_a_place_in_the_table() -> None:
    rooms = Path(wire.__file__).parent.parent
    found = sum(path.read_text().count("rpc_method_handler(") for path in rooms.rglob("*.py"))
    assert found == len(METHODS)


def test_every_method_refuses_who_is_not_of_the_run_and_takes_who_is(tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    issue(run)
    issue(run, "b", begins=-4 * HOUR)
    issue(other)

    async def codes() -> dict[tuple[str, str], grpc.StatusCode]:
        found = {}
        async with served(run) as where:
            for method, role in METHODS.items():
                address = where[role]
                callers = {
                    "no TLS": wire.dial(address, role, None),
                    "no certificate": dial(address, role, None, run),
                    "another job": dial(address, role, other / TASKMANAGER / "a", run),
                    "expired": dial(address, role, run / TASKMANAGER / "b", run),
                    "of the run": wire.dial(address, role, tls(run)),
                    "a server of another job": wire.dial(address, role, tls(other)),
                }
                for who, channel in callers.items():
                    found[method, who] = await code_of(method, channel)
        return found

    found = asyncio.run(codes())
    passed = {(method, who) for (method, who), code in found.items() if code is not REFUSED}
    assert passed == {(method, "of the run") for method in METHODS}, found


def test_a_folder_presents_the_newest_certificate_that_is_valid_and_trusts_all(tmp_path: Path) -> None:
    issue(tmp_path)
    issue(tmp_path, "b", begins=HOUR)
    before = tls(tmp_path).material()
    assert before.authorities.count(b"BEGIN CERTIFICATE") == 2
    assert before.certificate == (tmp_path / TASKMANAGER / "a/tls.crt").read_bytes()
    (tmp_path / TASKMANAGER / "b/not-before").write_text(datetime.now(UTC).isoformat())
    assert tls(tmp_path).material().certificate == (tmp_path / TASKMANAGER / "b/tls.crt").read_bytes()
    shutil.rmtree(tmp_path / TASKMANAGER)
    (tmp_path / TASKMANAGER).mkdir()
    with pytest.raises(ConfigError, match="no certificate that is valid now"):
        tls(tmp_path)


def test_a_rotation_needs_no_restart_and_retires_the_old_authority(tmp_path: Path) -> None:
    issue(tmp_path)
    old = tls(tmp_path).material()
    [session, *_] = METHODS

    async def rotated() -> list[bool]:
        async with served(tmp_path) as where:

            async def passes(credentials: grpc.ChannelCredentials) -> bool:
                options = (*wire.OPTIONS, ("grpc.ssl_target_name_override", JOBMANAGER))
                channel = grpc.aio.secure_channel(where[JOBMANAGER], credentials, options=options)
                return await code_of(session, channel) is not REFUSED

            seen = [await passes(tls(tmp_path).channel(JOBMANAGER)[0])]
            issue(tmp_path, "b")
            both = tls(tmp_path).material().authorities
            shutil.rmtree(tmp_path / JOBMANAGER / "a")
            shutil.rmtree(tmp_path / TASKMANAGER / "a")
            seen.append(await passes(tls(tmp_path).channel(JOBMANAGER)[0]))
            seen.append(await passes(grpc.ssl_channel_credentials(both, old.key, old.certificate)))
        return seen

    assert asyncio.run(rotated()) == [True, True, False]


def retire(folder: Path, slot: str) -> None:
    for role in (JOBMANAGER, TASKMANAGER):
        shutil.rmtree(folder / role / slot)


def test_a_rotation_under_load_restarts_nothing_and_loses_nothing(tmp_path: Path) -> None:
    certificates = tmp_path / "tls"
    issue(certificates)
    shutil.copytree(certificates, tmp_path / "stolen")
    gate = tmp_path / "gate"
    reference = Reference(out=str(tmp_path / "out"), rows=2000, rate=400, gate=str(gate))
    document = in_cluster(resource(reference, tmp_path, parallelism=2))
    with contextlib.ExitStack() as stack:
        flags = ("--tls-dir", str(certificates / JOBMANAGER))
        jobmanager = stack.enter_context(JobManagerPod(tmp_path, document, flags=flags))

        def taskmanager(name: str, folder: Path) -> TaskManagerPod:
            flags = ("--tls-dir", str(folder / TASKMANAGER))
            pod = TaskManagerPod(tmp_path, jobmanager.address(), name=name, flags=flags)
            return stack.enter_context(pod)

        def slots() -> dict[str, bool]:
            """By slot that the JobManager has: whether all TaskManagers take it, too."""
            return {
                held["slot"]: held["everywhere"] for held in jobmanager.rest("/jobs/weir")["certificates"]
            }

        taskmanager("tm0", certificates)
        taskmanager("tm1", certificates)
        jobmanager.wait_completed(2)
        assert slots() == {"a": True}
        issue(certificates, "b", begins=timedelta(seconds=1))
        jobmanager.wait(lambda: slots() == {"a": True, "b": True}, "all have the new slot")
        begins = datetime.fromisoformat((certificates / JOBMANAGER / "b/not-before").read_text())
        jobmanager.wait(lambda: datetime.now(UTC) > begins, "it is presented")
        retire(certificates, "a")
        jobmanager.wait(lambda: slots() == {"b": True}, "the old slot is gone")

        stolen = taskmanager("stolen", tmp_path / "stolen")
        newcomer = taskmanager("newcomer", certificates)
        newcomer.wait(lambda: "event='registered'" in newcomer.stderr, "who has the new certificates gets in")
        stolen.wait(lambda: "no JobManager" in stolen.stderr, "who has the old ones does not")
        done = len(jobmanager.completed())
        jobmanager.wait_completed(done + 2)
        gate.touch()
        jobmanager.wait_state("FINISHED")
        assert "event='registered'" not in stolen.stderr
        assert jobmanager.rest("/jobs/weir")["restarts"] == 0
    assert oracle.complete(oracle.visible(reference.out), reference) == []
