"""Reading files with a reader that is stopped and restored again and again, at places that hypothesis draws."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from weir.connectors.files.reading.reader import FileReader
from weir.connectors.files.reading.splits import FileSplit, FoundFile, cut
from weir.storage import MemoryStorage


def read_with_stops(format_, files, data, rows_of=lambda values: values, split_bytes=None):
    """All rows by file, read by a reader that is replaced by one restored from its snapshot now and then."""
    split_bytes = split_bytes or data.draw(st.integers(1, 40))
    block_bytes = data.draw(st.integers(1, 50))
    storage = MemoryStorage("in")
    splits = []
    for name, content in files.items():
        storage.write(name, content)
        found = FoundFile("memory://in", name, len(content))
        splits += cut(found, split_bytes if format_.splittable else None)

    def reader_with(some):
        reader = FileReader(format_, False, lambda root: storage, lambda: None, block_bytes)
        reader.add_splits(some)
        return reader

    rows = {split.split_id: [] for split in splits}
    finished = []
    reader = reader_with(splits)
    while not reader.is_idle():
        if data.draw(st.integers(0, 3)) == 0:
            stored = msgspec.msgpack.encode(reader.snapshot())
            reader.close()
            reader = reader_with(msgspec.msgpack.decode(stored, type=list[FileSplit]))
        fetched = reader.fetch(data.draw(st.integers(1, 5)))
        if fetched is not None:
            rows[fetched.split_id] += rows_of(fetched.values) if len(fetched.values) else []
        finished += reader.finished_splits()
    assert finished == [split.split_id for split in splits]
    by_file = {name: [] for name in files}
    for split in splits:
        by_file[split.name] += rows[split.split_id]
    return by_file
