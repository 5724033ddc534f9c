"""Column batches between two workers as bytes: Arrow's IPC messages, without a copy at the receiving end. Hot path.

The schema goes with the first batch of a channel and again when it changes. Timestamps travel as one more column, so
they are aligned and checked like the others.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from weir.records import ColumnBatch

if TYPE_CHECKING:
    import pyarrow as pa

#: Bytes of the schema before those of the batch (0: it is known), whether there are timestamps, and padding: Arrow reads aligned words.
_HEADER: Final = struct.Struct("<IBxxx")
#: The column of the timestamps; no user's column has this name.
_STAMPS: Final = "\0timestamps"


class ColumnEncoder:
    """The sending end of one channel."""

    __slots__ = ("_schema",)

    def __init__(self) -> None:
        self._schema: pa.Schema | None = None

    def encode(self, batch: ColumnBatch) -> bytes:
        """The payload of a COLUMNS frame."""
        data = _plain(batch.data)
        stamped = batch.timestamps is not None
        if stamped:
            data = data.append_column(_STAMPS, _array(batch.timestamps))
        schema = b""
        if self._schema is None or not data.schema.equals(self._schema):
            self._schema = data.schema
            schema = data.schema.serialize().to_pybytes()
        return b"".join((_HEADER.pack(len(schema), stamped), schema, memoryview(data.serialize())))


class ColumnDecoder:
    """The receiving end of one channel; every payload must pass here, in order."""

    __slots__ = ("schema",)

    def __init__(self, schema: bytes = b"") -> None:
        """``schema``: what another decoder of the channel had learned, serialised."""
        self.schema: pa.Schema | None = _read_schema(schema) if schema else None

    def decode(self, payload: bytes) -> ColumnBatch:
        """The batch of a COLUMNS payload."""
        import pyarrow as pa

        size, stamped = _HEADER.unpack_from(payload)
        body = pa.py_buffer(memoryview(payload)[_HEADER.size :])
        if size:
            self.schema = pa.ipc.read_schema(body.slice(0, size))
        data = pa.ipc.read_record_batch(body.slice(size), self.schema)
        if not stamped:
            return ColumnBatch(data)
        stamps = data.column(data.num_columns - 1).to_numpy()
        return ColumnBatch(data.select(data.schema.names[:-1]), stamps)


def _read_schema(data: bytes) -> pa.Schema:
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(data))


def _plain(data: Any) -> Any:
    """Dictionaries become plain columns: they would have to be sent beside the batches, and kept in step."""
    import pyarrow as pa

    if not any(pa.types.is_dictionary(field.type) for field in data.schema):
        return data
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for column in data.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=data.schema.names)


def _array(timestamps: Any) -> Any:
    import pyarrow as pa

    return pa.array(timestamps, type=pa.int64())
