"""An incremental checkpoint read as a savepoint is: through a RocksDB database in a folder for temporary files."""

from __future__ import annotations

import tempfile

from weir.checkpoint.metadata import OperatorState
from weir.checkpoint.store import LoadedSnapshot
from weir.config import StateBackendOptions, StateBackendType
from weir.state.backend import backend_for
from weir.state.heap import KeyCell
from weir.state.keyed_place import KeyedPlace
from weir.state.native import NativeKeyed
from weir.state.snapshot import OperatorSubtaskState


def state_file(snapshot: LoadedSnapshot, operator: OperatorState, subtask: OperatorSubtaskState) -> bytes:
    """The keyed state of a subtask as every backend reads it. Raises ``ConfigError`` without the package rocksdict."""
    assert subtask.keyed is not None
    assert subtask.key_groups is not None
    first, last = subtask.key_groups
    increment = NativeKeyed(
        snapshot.read_state(subtask.keyed), subtask.shared or (), snapshot.read_state, own=False
    )
    with tempfile.TemporaryDirectory(prefix="weir-state-reader-") as folder:
        options = StateBackendOptions(StateBackendType.ROCKSDB, local_directory=folder)
        place = KeyedPlace(
            operator.label,
            operator.operator_id,
            subtask.subtask,
            operator.max_parallelism,
            range(first, last + 1),
        )
        store = backend_for(options).open(KeyCell(), place)
        try:
            store.restore([increment])
            store.freeze_registration()  # nobody claims anything: all of it is carried
            return store.snapshot()
        finally:
            store.close()
