"""Bytes of the control plane."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from weir.errors import FailureKind
from weir.ids import AttemptId, Epoch, JobId, TaskManagerId, VertexId, WorkerId
from weir.rpc import codec, links, messages, requests

EXECUTION = messages.Execution(JobId("a" * 32), Epoch(1), AttemptId(2))


@pytest.mark.parametrize(
    "message",
    [
        messages.TaskRunning(execution=EXECUTION, vertex=VertexId("v"), index=1),
        messages.TaskFailed(
            execution=EXECUTION, failure=messages.Failure(kind=FailureKind.USER, message="no", operator="map")
        ),
        messages.CommitsDone(execution=EXECUTION, checkpoint_id=3, vertex=VertexId("v"), index=0),
    ],
)
def test_what_a_worker_says_comes_back_as_it_was(message: messages.FromWorkerMessage) -> None:
    assert codec.decode_from_worker(codec.encode(message)) == message


def test_each_direction_reads_only_its_own_messages() -> None:
    beat = codec.encode(messages.TaskManagerHeartbeat(sequence=1))
    assert codec.decode_session_up(beat) == messages.TaskManagerHeartbeat(sequence=1)
    with pytest.raises(codec.ProtocolError, match="not a JobManager's message"):
        codec.decode_session_down(beat)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81\xa4type\xa5Wrong", b"\x00" * 10])
def test_bytes_that_are_no_message_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(codec.ProtocolError, match=f"{len(data)} bytes are not a worker's message"):
        codec.decode_from_worker(data)


def test_a_registration_of_another_release_is_still_understood() -> None:
    fields = {
        "type": "Register",
        "task_manager": "tm",
        "slots": 1,
        "version": "9.9",
        "pid": 1,
        "new": "field",
    }
    register = codec.decode_session_up(msgspec.msgpack.encode(fields))
    assert isinstance(register, messages.Register)
    assert register.version == "9.9"


def test_frames_come_back_however_the_stream_is_cut() -> None:
    payloads = [b"", b"x", b"y" * 1000]
    stream = b"".join(codec.frame(payload) for payload in payloads)
    for size in (1, 3, 7, len(stream)):
        reader = codec.FrameReader()
        found = [got for i in range(0, len(stream), size) for got in reader.feed(stream[i : i + size])]
        assert found == payloads


def test_an_incomplete_frame_gives_nothing_yet() -> None:
    reader = codec.FrameReader()
    assert reader.feed(codec.frame(b"abc")[:-1]) == []
    assert reader.feed(b"c") == [b"abc"]


def test_a_settled_state_is_one_that_stays() -> None:
    settled = {state for state in requests.JobState if state.is_settled}
    assert settled == {
        requests.JobState.FINISHED,
        requests.JobState.FAILED,
        requests.JobState.CANCELED,
        requests.JobState.SUSPENDED,
    }


def test_an_ended_session_raises_on_both_sides_and_drops_what_is_sent() -> None:
    async def scenario() -> None:
        here, there = links.memory_links()
        there.send_nowait(messages.TaskManagerHeartbeat(sequence=1))
        await there.close()
        assert await here.receive() == messages.TaskManagerHeartbeat(sequence=1)
        for end in (here, there):
            with pytest.raises(links.SessionEnded):
                await end.receive()
        here.send_nowait(messages.ReleaseWorker(worker=WorkerId("w")))

    asyncio.run(scenario())


def test_every_request_names_itself() -> None:
    tag = msgspec.msgpack.decode(codec.encode(requests.GetStatus(job="x")))
    assert tag == {"type": "GetStatus", "job": "x"}


def test_task_managers_are_named_by_their_ids() -> None:
    status = requests.TaskManagerStatus(id=TaskManagerId("tm"), pid=1, slots=2, free=1, lost=False)
    answer = requests.ClusterAnswer(task_managers=(status,), jobs=())
    decoder = msgspec.msgpack.Decoder(requests.Answer)
    assert decoder.decode(codec.encode(answer)) == answer
