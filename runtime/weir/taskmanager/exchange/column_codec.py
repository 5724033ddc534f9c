"""Column batches between two workers as bytes: Arrow's IPC messages, without a copy at the receiving end. Hot path.

What batches have in common, their schema and the values of their dictionary columns, goes with the first batch of a channel
and again when it changes, as an Arrow stream without rows; the batches themselves hold the numbers of the values only. A
dictionary that is no shorter than the batch is not worth it: such a column is sent as a plain one. Timestamps that are not
one of the columns travel as one more, so they are aligned and checked like the others.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from weir.records import ColumnBatch

if TYPE_CHECKING:
    import pyarrow as pa

#: Bytes of what is common before those of the batch (0: it is known), where the timestamps are, and padding: Arrow reads aligned words.
_HEADER: Final = struct.Struct("<IHxx")
#: There are none; they are the last column; they are also the user's column of this number less ``_IN_COLUMN``.
_NO_STAMPS, _STAMPED, _IN_COLUMN = 0, 1, 2
#: The column of the timestamps; no user's column has this name.
_STAMPS: Final = "\0timestamps"


class ColumnEncoder:
    """The sending end of one channel."""

    __slots__ = ("_dictionaries", "_schema")

    def __init__(self) -> None:
        self._schema: pa.Schema | None = None
        #: By column, as the receiver has them.
        self._dictionaries: dict[int, pa.Array] = {}

    def encode(self, batch: ColumnBatch) -> bytes:
        """The payload of a COLUMNS frame."""
        import pyarrow as pa

        from weir.columnar.taking import time_column

        data, where = _plain(batch.data), _NO_STAMPS
        if (at := time_column(batch)) is not None:
            where = _IN_COLUMN + at
        elif batch.timestamps is not None:
            where = _STAMPED
            data = data.append_column(_STAMPS, pa.array(batch.timestamps, type=pa.int64()))
        common = b""
        if self._schema is None or not data.schema.equals(self._schema) or not self._known(data):
            self._schema = data.schema
            self._dictionaries = {at: data.column(at).dictionary for at in _dictionary_columns(data.schema)}
            common = _without_rows(data)
        if self._dictionaries:
            columns = [
                column.indices if at in self._dictionaries else column
                for at, column in enumerate(data.columns)
            ]
            data = pa.RecordBatch.from_arrays(columns, names=data.schema.names)
        return b"".join((_HEADER.pack(len(common), where), common, memoryview(data.serialize())))

    def _known(self, data: pa.RecordBatch) -> bool:
        return all(data.column(at).dictionary.equals(known) for at, known in self._dictionaries.items())


class ColumnDecoder:
    """The receiving end of one channel; every payload must pass here, in order."""

    __slots__ = ("_dictionaries", "_schema", "_wire", "common")

    def __init__(self, common: bytes = b"") -> None:
        """``common``: that of another decoder of the channel."""
        #: What it has learned, as it came; nothing before the first batch.
        self.common = b""
        self._schema: pa.Schema | None = None
        self._wire: pa.Schema | None = None
        self._dictionaries: dict[int, pa.Array] = {}
        if common:
            self._learn(common)

    def decode(self, payload: bytes) -> ColumnBatch:
        """The batch of a COLUMNS payload."""
        import pyarrow as pa

        size, where = _HEADER.unpack_from(payload)
        body = memoryview(payload)[_HEADER.size :]
        if size:
            self._learn(bytes(body[:size]))
        data = pa.ipc.read_record_batch(pa.py_buffer(body[size:]), self._wire)
        if self._dictionaries:
            columns = [
                column
                if (values := self._dictionaries.get(at)) is None
                else pa.DictionaryArray.from_arrays(column, values, safe=False)
                for at, column in enumerate(data.columns)
            ]
            data = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        if where != _STAMPED:
            return ColumnBatch(data, data.column(where - _IN_COLUMN).to_numpy() if where else None)
        stamps = data.column(data.num_columns - 1).to_numpy()
        return ColumnBatch(data.select(data.schema.names[:-1]), stamps)

    def _learn(self, common: bytes) -> None:
        import pyarrow as pa

        self.common = common
        with pa.ipc.open_stream(common) as reader:
            self._schema = self._wire = reader.schema
            self._dictionaries = {}
            if coded := _dictionary_columns(reader.schema):
                empty = reader.read_next_batch()
                self._dictionaries = {at: empty.column(at).dictionary for at in coded}
                for at in coded:
                    field = reader.schema.field(at)
                    self._wire = self._wire.set(at, pa.field(field.name, field.type.index_type))


def _dictionary_columns(schema: pa.Schema) -> list[int]:
    import pyarrow as pa

    return [at for at, kind in enumerate(schema.types) if pa.types.is_dictionary(kind)]


def _without_rows(data: pa.RecordBatch) -> bytes:
    """Schema and dictionaries as a stream."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        if _dictionary_columns(data.schema):
            writer.write_batch(data.slice(0, 0))
    # Arrow reads aligned words: what follows begins at one.
    stream: bytes = sink.getvalue().to_pybytes()
    return stream + bytes(-len(stream) % 8)


def _plain(data: pa.RecordBatch) -> pa.RecordBatch:
    """Without dictionaries that have no fewer values than there are rows."""
    import pyarrow as pa

    long = [at for at in _dictionary_columns(data.schema) if len(data.column(at).dictionary) >= data.num_rows]
    if not long:
        return data
    columns = [column.dictionary_decode() if at in long else column for at, column in enumerate(data.columns)]
    return pa.RecordBatch.from_arrays(columns, names=data.schema.names)
