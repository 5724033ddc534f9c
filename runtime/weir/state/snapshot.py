"""What one subtask hands over for one operator at a checkpoint: handles to its bytes, not the bytes' meaning.

A task fills an :class:`OperatorSubtaskState` for each operator of its chain and acknowledges with it; the checkpoint
room collects them into ``_metadata``. At a restore the rescale rules deal key groups and lists out anew and the
state backends read what the handles point at.
"""

from __future__ import annotations

import hashlib

import msgspec

from weir.errors import SnapshotCorrupt


class StateHandle(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the bytes of one piece of state are: inline, or in an object. Exactly one of the two is set."""

    #: Small state lies in the metadata itself (base64 in JSON).
    data: bytes | None = None
    #: Relative to the job's checkpoint folder ("chk-5/e1-a1-..."), or to the savepoint's own folder.
    path: str | None = None
    size: int
    sha256: str

    def __post_init__(self) -> None:
        if (self.data is None) == (self.path is None):
            raise ValueError("a state handle has either inline data or a path")
        if self.size < 0:
            raise ValueError(f"a state handle has a size of {self.size} bytes")

    @property
    def inline(self) -> bool:
        """Whether the bytes are in ``data``."""
        return self.data is not None

    def checked(self, data: bytes, where: str) -> bytes:
        """Return ``data`` if it is what was written, else raise ``SnapshotCorrupt`` naming ``where``."""
        self.check_size(len(data), where)
        self.check_digest(hashlib.sha256(data).hexdigest(), where)
        return data

    def check_size(self, size: int, where: str) -> None:
        """Raises ``SnapshotCorrupt`` unless so many bytes were written."""
        if size != self.size:
            raise SnapshotCorrupt(
                f"{where} has {size} bytes, its snapshot recorded {self.size}: it was cut or replaced"
            )

    def check_digest(self, found: str, where: str) -> None:
        """Raises ``SnapshotCorrupt`` unless ``found`` is the sha256 of what was written."""
        if found != self.sha256:
            raise SnapshotCorrupt(
                f"{where} has sha256 {found}, its snapshot recorded {self.sha256}: it is damaged"
            )


def inline_handle(data: bytes) -> StateHandle:
    """A handle that carries ``data`` itself."""
    return StateHandle(data=data, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def object_handle(path: str, data: bytes) -> StateHandle:
    """A handle to ``data`` as the object ``path``."""
    return StateHandle(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


class OperatorSubtaskState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one parallel instance of one operator put into a snapshot."""

    subtask: int
    keyed: StateHandle | None = None
    #: Files of the backend that ``keyed`` is made of, besides its own; other checkpoints may name them, too.
    #: ``None``: a state file that every backend reads.
    shared: tuple[StateHandle, ...] | None = None
    #: First and last key group that ``keyed`` covers, both inclusive.
    key_groups: tuple[int, int] | None = None
    operator: StateHandle | None = None
    #: What an unaligned barrier overtook at the inputs of the chain that this operator heads.
    in_flight: StateHandle | None = None
    #: ``operator`` holds only even-split lists (no union or broadcast state).
    split_only: bool = True
    #: The subtask had reached the end of its input: restored, it does nothing more.
    finished: bool = False
    #: The snapshot carries something that is committed to the outside once it is published.
    has_commits: bool = False
    #: Event time in milliseconds; a rescale takes the minimum.
    watermark: int | None = None

    @property
    def handles(self) -> tuple[StateHandle, ...]:
        """Those of state files."""
        return tuple(handle for handle in (self.keyed, self.operator) if handle is not None)

    @property
    def files(self) -> tuple[StateHandle, ...]:
        """All handles."""
        overtaken = () if self.in_flight is None else (self.in_flight,)
        return (*self.handles, *overtaken, *(self.shared or ()))

    @property
    def size(self) -> int:
        """Bytes of state, inline or not."""
        return sum(handle.size for handle in self.files)
