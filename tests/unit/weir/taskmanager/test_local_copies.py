"""Copies of snapshots on a worker's disk: read instead of storage, never believed, gone with the next checkpoint. Row B23."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from weir.config import JobOptions, StateBackendType
from weir.errors import SerializationError
from weir.graph.physical import ChainedOperator
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, OperatorId
from weir.operators.base import OperatorSnapshot
from weir.rpc import messages
from weir.state.native import Increment, NativeKeyed, Reuse, Upload
from weir.state.registration import EncodedSnapshot
from weir.state.snapshot import OperatorSubtaskState
from weir.state.spooled import SpooledFile
from weir.storage import MemoryStorage
from weir.storage.faults import FaultInjector, Operation
from weir.taskmanager.local_copies import LocalCopies, copies_of, folder_of
from weir.taskmanager.snapshots import SnapshotReader, SnapshotWriter

EXECUTION = messages.Execution(JobId("a" * 32), Epoch(2), AttemptId(3))
OPERATOR = ChainedOperator(
    node=1, operator_id=OperatorId("0f" * 16), name="count", uid="count", upstream=None
)
LARGE = b"x" * 100_000


class Machine:
    """One disk, and the storage behind it with its journal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "copies"
        self.storage = FaultInjector(MemoryStorage("job"))

    def copies(self, *, writes: bool = True, reads: bool = True) -> LocalCopies:
        """As a fresh worker has them."""
        return LocalCopies(str(self.folder), writes=writes, reads=reads)

    def persist(
        self, number: int, snapshot: object = None, savepoint: str = "", copies: LocalCopies | None = None
    ) -> OperatorSubtaskState:
        backend = StateBackendType.ROCKSDB
        writer = SnapshotWriter(self.storage, backend, incremental=True, copies=copies or self.copies())
        keyed = OperatorSnapshot(keyed=snapshot or EncodedSnapshot(LARGE + str(number).encode()))  # type: ignore[arg-type]
        states = writer.persist(
            EXECUTION,
            number,
            1,
            [(OPERATOR, keyed)],
            key_groups=(0, 9),
            finished=False,
            watermark=5,
            savepoint=savepoint,
        )
        return states[OPERATOR.operator_id]

    def restore(self, state: OperatorSubtaskState, copies: LocalCopies | None = None) -> tuple[bytes, ...]:
        """The state file, and the files it is made of."""
        restored = messages.RestoredOperator(
            operator_id=OPERATOR.operator_id, old_parallelism=2, states=(state,), own_only=False
        )
        [keyed] = SnapshotReader(self.storage, copies=copies or self.copies()).read(restored).keyed
        if isinstance(keyed, NativeKeyed):
            return (keyed.data, *map(keyed.read, keyed.shared))
        return (keyed,)

    @property
    def reads(self) -> int:
        return sum(operation is Operation.READ for operation, _ in self.storage.journal)

    def files(self) -> dict[str, Path]:
        return {str(path.relative_to(self.folder)): path for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class Tables:
    """An incremental snapshot whose files never change."""

    def __init__(self, known: dict[str, object], *names: str) -> None:
        self._known = known
        self._names = names

    def encode(self) -> bytes:
        raise AssertionError

    def release(self) -> None:
        """Nothing is held."""

    def increment(self, upload: Upload, reuse: Reuse = Reuse.KNOWN) -> Increment:
        for name in self._names:
            if name not in self._known:
                self._known[name] = upload(name, name.encode() * 30_000)
        return Increment((LARGE,), tuple(self._known[name] for name in self._names))  # type: ignore[misc]


def test_a_worker_that_starts_again_reads_nothing_from_storage(machine: Machine) -> None:
    state = machine.persist(7)
    assert machine.restore(state) == (LARGE + b"7",)
    assert machine.reads == 0


def test_without_leave_to_read_them_copies_are_left_aside(machine: Machine) -> None:
    state = machine.persist(7)
    assert machine.restore(state, machine.copies(reads=False)) == (LARGE + b"7",)
    assert machine.reads == 1


@pytest.mark.parametrize(
    "harm",
    [
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.write_bytes(b"y" + path.read_bytes()[1:]),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    ],
    ids=["removed", "empty", "cut", "longer", "another-byte", "a-folder", "endless"],
)
def test_a_copy_that_is_gone_or_damaged_is_read_from_storage(machine: Machine, harm) -> None:
    state = machine.persist(7)
    [path] = machine.files().values()
    harm(path)
    copies = machine.copies()
    assert machine.restore(state, copies) == (LARGE + b"7",)
    assert machine.reads == 1
    assert (copies.read_bytes, copies.stored_bytes) == (0, len(LARGE) + 1)


def test_older_copies_go_with_the_next_checkpoint_that_completes(machine: Machine) -> None:
    machine.persist(7)
    machine.persist(8)
    newer = machine.persist(9)
    copies = machine.copies()
    copies.completed(CheckpointId(8))
    assert {name.split("/")[0] for name in machine.files()} == {"8", "9"}
    copies.completed(CheckpointId(9))
    assert {name.split("/")[0] for name in machine.files()} == {"9"}
    assert machine.restore(newer) == (LARGE + b"9",)
    assert machine.reads == 0


def test_a_savepoint_has_no_copy_and_takes_none_away(machine: Machine) -> None:
    machine.persist(7)
    before = set(machine.files())
    machine.persist(8, savepoint="memory://copies/savepoint")
    machine.copies().completed(CheckpointId(8))
    assert set(machine.files()) == before


def test_a_file_of_several_checkpoints_lies_there_once(machine: Machine) -> None:
    known: dict[str, object] = {}
    machine.persist(7, Tables(known, "a", "b"))
    machine.persist(8, Tables(known, "b", "c"))
    [seven] = [path for name, path in machine.files().items() if name.startswith("7/shared") and "-b" in name]
    [eight] = [path for name, path in machine.files().items() if name.startswith("8/shared") and "-b" in name]
    assert os.path.samefile(seven, eight)
    machine.copies().completed(CheckpointId(8))
    state = machine.persist(9, Tables(known, "b", "c"))
    machine.copies().completed(CheckpointId(9))
    assert machine.restore(state) == (LARGE, b"b" * 30_000, b"c" * 30_000)
    assert machine.reads == 0


def test_what_was_read_from_storage_has_a_copy_in_the_next_checkpoint(machine: Machine) -> None:
    known: dict[str, object] = {}
    nowhere = machine.copies(writes=False)
    state = machine.persist(7, Tables(known, "a"), copies=nowhere)
    assert machine.restore(state) == (LARGE, b"a" * 30_000)
    assert machine.reads == 2
    state = machine.persist(8, Tables(known, "a"))
    machine.copies().completed(CheckpointId(8))
    assert machine.restore(state) == (LARGE, b"a" * 30_000)
    assert machine.reads == 2


def test_a_disk_that_takes_nothing_costs_the_copies_and_not_the_checkpoint(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.folder.write_text("a file is in the way")
    copies = machine.copies()
    state = machine.persist(7, copies=copies)
    machine.persist(8, copies=copies)
    copies.completed(CheckpointId(8))
    assert machine.restore(state, copies) == (LARGE + b"7",)
    told = capsys.readouterr().err
    assert told.count("no copies of snapshots are kept on this machine") == 1
    assert "execution.checkpointing.local-backup.dirs" in told


def test_copies_lie_where_the_settings_say(tmp_path: Path) -> None:
    job = JobId("a" * 32)
    backup = "execution.checkpointing.local-backup"
    off = JobOptions.from_settings({})
    assert folder_of(off, job) is None
    copies_of(off, job).completed(CheckpointId(1))
    beside = JobOptions.from_settings({f"{backup}.enabled": "true", "state.backend.rocksdb.localdir": "/r"})
    assert folder_of(beside, job) == f"/r/weir-copies-{job}"
    said = JobOptions.from_settings({f"{backup}.enabled": "true", f"{backup}.dirs": "/c"})
    assert folder_of(said, job) == f"/c/weir-copies-{job}"


@pytest.mark.parametrize("damage", [None, "flipped", "missing"])
def test_a_state_file_too_large_for_memory_comes_from_its_copy_unless_that_is_bad(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str | None
) -> None:
    monkeypatch.setattr("weir.taskmanager.snapshots.SPOOL_BYTES", 1000)
    state = machine.persist(7)
    [copy] = machine.files().values()
    if damage == "flipped":
        copy.write_bytes(b"y" + copy.read_bytes()[1:])
    elif damage == "missing":
        copy.unlink()
    copies = machine.copies()
    reader = SnapshotReader(machine.storage, copies=copies, spool=str(tmp_path / "local"))
    restored = messages.RestoredOperator(
        operator_id=OPERATOR.operator_id, old_parallelism=2, states=(state,), own_only=False
    )
    [file] = reader.read(restored).keyed
    assert isinstance(file, SpooledFile)
    assert file.read(0, file.size) == LARGE + b"7"
    from_storage = any(operation is Operation.READ_RANGE for operation, _ in machine.storage.journal)
    assert from_storage is (damage is not None)
    assert (copies.read_bytes, copies.stored_bytes) == ((0, file.size) if damage else (file.size, 0))


def test_pieces_that_fail_leave_no_copy(machine: Machine) -> None:
    class Failing:
        def encode(self) -> bytes:
            raise AssertionError

        def pieces(self) -> Iterator[bytes]:
            yield LARGE
            raise SerializationError("no such value")

        def release(self) -> None:
            """Nothing is held."""

    with pytest.raises(SerializationError, match="no such value"):
        machine.persist(7, Failing())
    assert machine.files() == {}
