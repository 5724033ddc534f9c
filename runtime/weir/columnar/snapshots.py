"""Columnar state in a state file: a section for each table, its keys and folds as one Arrow column block.

The file has the head that every keyed state file has, so a rescale deals it out by key groups as it does any other; what
belongs to other subtasks is filtered when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from weir import keygroups
from weir.columnar.hashing import key_groups
from weir.columnar.keying import row_hashes
from weir.errors import SnapshotCorrupt, SnapshotMismatch
from weir.state import statefile

#: The kind of a section, as ``weir inspect`` shows it.
KIND: Final = "columns"


class Table(NamedTuple):
    """Keys and folds of one pane, or of a running aggregate."""

    name: str
    columns: pa.RecordBatch


def write(
    operator: str, groups: range, max_parallelism: int, signature: Mapping[str, Any], tables: Iterable[Table]
) -> bytes:
    """A state file of these tables; ``groups``: the key groups of the subtask."""
    header = statefile.FileHeader(
        content="keyed",
        operator=operator,
        hash_version=keygroups.HASH_VERSION,
        max_parallelism=max_parallelism,
        first_key_group=groups.start,
        last_key_group=groups.stop - 1,
    )
    sections = []
    for name, columns in tables:
        data = b"".join((columns.schema.serialize().to_pybytes(), memoryview(columns.serialize())))
        chunk = statefile.Chunk(groups.start, groups.stop - 1, True, columns.num_rows, [data])
        sections.append(statefile.Section(statefile.SectionHeader(name, KIND, dict(signature)), [chunk]))
    return statefile.write(header, sections)


def read(
    blobs: Iterable[statefile.Source],
    operator: str,
    groups: range,
    max_parallelism: int,
    signature: Mapping[str, Any],
    keys: Sequence[str],
) -> Iterator[Table]:
    """The rows of the old subtasks' tables that belong to ``groups``. Raises ``SnapshotMismatch``, ``SnapshotCorrupt``."""
    for blob in blobs:
        header, sections = statefile.read(blob)
        if header.hash_version != keygroups.HASH_VERSION or header.max_parallelism != max_parallelism:
            raise SnapshotMismatch(
                f"state of operator {operator} has max parallelism {header.max_parallelism} and hash version "
                f"{header.hash_version}, the job has {max_parallelism} and {keygroups.HASH_VERSION}; keep the max parallelism"
            )
        for section in sections:
            _check(section.header, operator, signature)
            for chunk in section.chunks:
                columns = _decode(chunk.columns[0], operator)
                mine = key_groups(row_hashes(columns, keys), max_parallelism)
                kept = columns.filter(pa.array((mine >= groups.start) & (mine < groups.stop)))
                if kept.num_rows:
                    yield Table(section.header.name, kept)


def _check(header: statefile.SectionHeader, operator: str, signature: Mapping[str, Any]) -> None:
    if header.kind != KIND:
        raise SnapshotMismatch(
            f"operator {operator} keeps columns, its snapshot holds state {header.name!r} of kind {header.kind}; give the "
            "operator another uid, or start without state"
        )
    if dict(header.signature) != dict(signature):
        raise SnapshotMismatch(
            f"operator {operator} computes {dict(signature)}, its snapshot holds {dict(header.signature)}; keep keys, "
            "aggregates and windows, or give the operator another uid"
        )


def _decode(data: bytes, operator: str) -> pa.RecordBatch:
    try:
        reader = pa.BufferReader(data)
        schema = pa.ipc.read_schema(reader)
        return pa.ipc.read_record_batch(reader, schema)
    except (pa.ArrowException, OSError) as error:
        raise SnapshotCorrupt(f"columns of operator {operator} cannot be read: {error}") from error
