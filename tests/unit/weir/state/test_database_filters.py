"""Filters of a database's tables: whole while they fit into the cache, in parts from then on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rocksdict")

from weir.state.rocksdb.database import Database, SharedMemory


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(str(tmp_path / "database"), SharedMemory.of(2**20))
    yield database
    database.destroy()


def in_parts(database: Database) -> bool:
    """How the next table's filter will be."""
    newest = max(Path(database.folder).glob("OPTIONS-*"), key=lambda path: int(path.name.partition("-")[2]))
    [told] = [line.strip() for line in newest.read_text().splitlines() if "partition_filters=" in line]
    return told == "partition_filters=true"


def test_filters_are_whole_until_they_would_crowd_the_cache(database: Database) -> None:
    keys = [b"%08d" % number for number in range(200_000)]
    assert not in_parts(database)
    for at in range(0, len(keys), 500):
        database.write([(key, key) for key in keys[at : at + 500]])
        if at == 50_000:
            assert not in_parts(database), "they take a fifteenth of the cache"
    assert in_parts(database)
    database.flush()
    assert database.get_all([*keys[::10], b"none"]) == [*keys[::10], None]


def test_a_database_that_comes_with_many_keys_begins_with_parts(database: Database) -> None:
    database.write([(b"%08d" % number, b"") for number in range(200_000)])
    database.flush()
    assert not in_parts(database), "one batch: nobody looked yet"
    database.close()
    database._open()
    assert in_parts(database)
