"""How much a checkpoint is and how much of it was stored for it: the two differ when it is incremental."""

from __future__ import annotations

from tests.support import rest_facts
from weir.checkpoint.history import Status
from weir.checkpoint.paths import shared_file
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, OperatorId, VertexId
from weir.jobmanager.checkpoints.answers import ack_of
from weir.jobmanager.rest.views import checkpoints
from weir.rpc import messages
from weir.state.snapshot import OperatorSubtaskState, inline_handle, object_handle

STATE = "e1-a1-aaaaaaaaaaaaaaaa-0-keyed"


def test_what_an_earlier_checkpoint_stored_is_state_and_not_stored_again():
    shared = tuple(
        object_handle(shared_file(CheckpointId(number), STATE, "000009"), b"x" * size)
        for number, size in ((3, 1000), (5, 100))
    )
    state = OperatorSubtaskState(
        subtask=0, keyed=inline_handle(b"y" * 10), shared=shared, key_groups=(0, 127)
    )
    ack = messages.CheckpointAck(
        execution=messages.Execution(job_id=JobId("a" * 32), epoch=Epoch(1), attempt=AttemptId(1)),
        checkpoint_id=5,
        vertex=VertexId(0),
        index=0,
        states={OperatorId("a" * 32): state},
        finished=False,
        stats=messages.SnapshotStats(bytes=state.size),
    )
    stats = ack_of(ack, 0).stats
    assert (stats.size, stats.reused) == (1110, 1000)


def test_rest_tells_both():
    stats = rest_facts.stats(9, Status.COMPLETED, reused=30)
    told = checkpoints._common(stats, tasks=False)
    assert told["state_size"] - told["checkpointed_size"] == 30
