"""Copies of a job's snapshots on the worker's own disk, so that a restart there reads nothing over the network.

Flink's local backup and local recovery. A copy is never the truth: each file is compared with the size and sha256 that the
snapshot recorded, and one that is missing or differs is read from storage. ``<folder>/weir-copies-<job>/<n>/`` holds all that checkpoint
n is made of on this machine, whichever worker stored it; a file that several checkpoints are made of lies there once, under
several links. What is older goes with the next checkpoint that completes, everything with the TaskManager's orderly end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import Final, Self

from weir.config import JobOptions
from weir.errors import SnapshotCorrupt
from weir.ids import CheckpointId, JobId
from weir.state.snapshot import StateHandle
from weir.state.spooled import SpooledFile

#: What was read from storage for want of a copy waits here for the checkpoint that names it; no checkpoint has this number.
_READ: Final = CheckpointId(0)
#: Bytes of a large copy that are read at once.
_PIECE: Final = 8 * 1024 * 1024


def folder_of(options: JobOptions, job: JobId) -> str | None:
    """Where a job's copies lie on this machine; ``None``: it neither writes nor reads any."""
    checkpoints = options.checkpoints
    if not (checkpoints.local_backup or checkpoints.from_local):
        return None
    root = checkpoints.local_backup_directory or options.state_backend.local_directory
    return os.path.join(root or tempfile.gettempdir(), f"weir-copies-{job}")


class LocalCopies:
    """Of one job on one machine; all workers there share them. Any thread may call. Nothing here ever fails a job."""

    def __init__(self, folder: str, *, writes: bool, reads: bool) -> None:
        self._folder = folder
        self._writes = writes
        self._reads = reads
        #: The disk took none: said once, and not tried for each file again.
        self._refused = False
        self._counting = threading.Lock()
        #: Bytes that came from copies, and from storage.
        self.read_bytes, self.stored_bytes = 0, 0

    def keep(self, checkpoint: CheckpointId, handle: StateHandle | None, data: bytes) -> None:
        """``data`` was stored for this checkpoint."""
        if handle is None or handle.path is None or not self._writes or self._refused:
            return
        target = os.path.join(self._of(checkpoint), _flat(handle.path))
        try:
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            _write(target, data)
        except OSError as error:
            self._refuse(error)

    def kept(self, checkpoint: CheckpointId, path: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """``pieces`` as they are stored for this checkpoint as the object ``path``; a copy is there when all have passed."""
        if not self._writes or self._refused:
            yield from pieces
            return
        target = os.path.join(self._of(checkpoint), _flat(path))
        with contextlib.ExitStack() as stack:
            file = None
            try:
                os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
                file = stack.enter_context(_Placed(target))
            except OSError as error:
                self._refuse(error)
            for piece in pieces:
                yield piece
                try:
                    if file is not None:
                        file.write(piece)
                except OSError as error:
                    file = None
                    self._refuse(error)
            try:
                if file is not None:
                    file.place()
            except OSError as error:
                self._refuse(error)

    def _refuse(self, error: OSError) -> None:
        self._refused = True
        _say(
            f"no copies of snapshots are kept on this machine: {self._folder}: {error.strerror or error}; free space "
            "there, or set execution.checkpointing.local-backup.dirs"
        )

    def keep_shared(self, checkpoint: CheckpointId, handles: Iterable[StateHandle]) -> None:
        """The checkpoint is made of these, too, which were stored for earlier ones."""
        if not self._writes or self._refused:
            return
        for handle in handles:
            if handle.path is None:
                continue
            target = os.path.join(self._of(checkpoint), _flat(handle.path))
            for source in self._found(handle.path):
                try:
                    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
                    os.link(source, target)
                except FileExistsError:
                    pass
                except OSError:  # gone meanwhile, or the disk is full: this one will be read from storage
                    continue
                break

    def read(self, handle: StateHandle) -> bytes | None:
        """The bytes behind a handle; ``None``: no good copy is here."""
        if handle.path is None or not self._reads:
            return None
        for path in self._found(handle.path):
            try:
                with open(path, "rb") as file:
                    data = handle.checked(file.read(handle.size + 1), path)
            except (OSError, SnapshotCorrupt) as error:
                _say(f"a copy on this machine is left aside, storage is asked: {error}")
                continue
            with self._counting:
                self.read_bytes += len(data)
            return data
        return None

    def spooled(self, handle: StateHandle, local: str) -> SpooledFile | None:
        """As :meth:`read`, of one that is too large for memory, in the local folder ``local``. Raises ``LocalDiskError``."""
        if handle.path is None or not self._reads:
            return None
        for path in self._found(handle.path):
            file = SpooledFile(local)
            digest = hashlib.sha256()
            try:
                with open(path, "rb") as copy:
                    while piece := copy.read(_PIECE):
                        digest.update(piece)
                        file.append(piece)
                handle.check_size(file.size, path)
                handle.check_digest(digest.hexdigest(), path)
            except (OSError, SnapshotCorrupt) as error:
                _say(f"a copy on this machine is left aside, storage is asked: {error}")
                continue
            with self._counting:
                self.read_bytes += file.size
            return file
        return None

    def was_spooled(self, file: SpooledFile) -> None:
        """It came from storage; no later checkpoint is made of a whole state file."""
        with self._counting:
            self.stored_bytes += file.size

    def was_read(self, handle: StateHandle, data: bytes) -> None:
        """``data`` came from storage; what later checkpoints are still made of is kept for them."""
        with self._counting:
            self.stored_bytes += 0 if handle.inline else len(data)
        self.keep(_READ, handle, data)

    def tell(self) -> None:
        """Everything is restored: say where it came from."""
        if self._reads and (self.read_bytes or self.stored_bytes):
            _say(
                f"state was restored: {self.read_bytes} bytes from copies on this machine, {self.stored_bytes} from storage"
            )

    def completed(self, checkpoint: CheckpointId) -> None:
        """Remove what is older, if there are copies of this one (of a savepoint there are none)."""
        numbers = self._numbers()
        if checkpoint in numbers:
            for older in numbers:
                if older < checkpoint:
                    shutil.rmtree(self._of(older), ignore_errors=True)

    def _of(self, checkpoint: CheckpointId) -> str:
        return os.path.join(self._folder, str(checkpoint))

    def _numbers(self) -> list[CheckpointId]:
        """The newest first."""
        try:
            names = os.listdir(self._folder)
        except OSError:
            return []
        return sorted((CheckpointId(int(name)) for name in names if name.isdigit()), reverse=True)

    def _found(self, path: str) -> list[str]:
        candidates = (os.path.join(self._of(number), _flat(path)) for number in self._numbers())
        return [candidate for candidate in candidates if os.path.exists(candidate)]


NO_COPIES: Final = LocalCopies("", writes=False, reads=False)


def copies_of(options: JobOptions, job: JobId) -> LocalCopies:
    """A job's copies as its settings say."""
    folder = folder_of(options, job)
    checkpoints = options.checkpoints
    if folder is None:
        return NO_COPIES
    return LocalCopies(folder, writes=checkpoints.local_backup, reads=checkpoints.from_local)


def remove(folders: Iterable[str]) -> None:
    """The jobs are over for this machine."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _write(path: str, data: bytes) -> None:
    with _Placed(path) as file:
        file.write(data)
        file.place()


class _Placed:
    """A file under a name of its own until it is whole: a link to half a file would go on into later checkpoints."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False)  # noqa: SIM115
        self.write = self._file.write

    def place(self) -> None:
        """It is whole."""
        self._file.flush()
        os.replace(self._file.name, self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._file.name)


def _say(message: str) -> None:
    """In the log of the TaskManager, which reads what its workers write here."""
    sys.stderr.write(f"weir: {message}\n")


def _flat(path: str) -> str:
    """An object's name in its folder: ``chk-5/x`` and ``shared/3/y`` become file names."""
    return path.replace("/", "+")
