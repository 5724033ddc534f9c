from __future__ import annotations

import pytest

from tests.support.storage_contract import StorageContract
from weir.errors import ObjectExists
from weir.storage import MemoryStorage, open_storage


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self):
        return MemoryStorage()


def test_a_crash_clone_has_what_was_there_and_goes_its_own_way():
    storage = MemoryStorage()
    storage.write("before", b"1")
    clone = storage.crash_clone()
    storage.write("after", b"2")
    storage.delete("before")
    clone.create_if_absent("after", b"3")
    assert clone.read("before") == b"1"
    assert clone.read("after") == b"3"
    assert storage.read("after") == b"2"
    with pytest.raises(ObjectExists):
        clone.create_if_absent("before", b"4")


def test_a_memory_uri_names_one_storage_in_the_process():
    open_storage("memory://shared-by-name/job").write("x", b"1")
    assert open_storage("memory://shared-by-name").read("job/x") == b"1"
    assert list(open_storage("memory://another").list()) == []
