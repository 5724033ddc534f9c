from __future__ import annotations

import pytest

from tests.support.storage_contract import StorageContract, filled
from weir.errors import ObjectNotFound, StorageDenied, StorageUnavailable
from weir.storage import MemoryStorage
from weir.storage.faults import Call, Fail, FaultInjector, FlipByte, LoseResponse, Operation, Rule, ShortRead


class TestWithoutFaults(StorageContract):
    @pytest.fixture
    def storage(self):
        return FaultInjector(MemoryStorage())


def test_a_failed_call_is_not_done():
    inner = MemoryStorage()
    storage = FaultInjector(inner)
    storage.inject(Operation.WRITE, Fail())
    with pytest.raises(StorageUnavailable):
        storage.write("a", b"1")
    assert list(inner.list()) == []
    storage.write("a", b"1")
    assert inner.read("a") == b"1"


def test_a_call_with_a_lost_response_is_done():
    inner = MemoryStorage()
    storage = FaultInjector(inner)
    storage.inject(Operation.WRITE, LoseResponse())
    with pytest.raises(StorageUnavailable):
        storage.write("a", b"1")
    assert inner.read("a") == b"1"


def test_an_error_of_the_inner_storage_is_not_hidden_by_a_lost_response():
    storage = FaultInjector(MemoryStorage())
    storage.inject(Operation.READ, LoseResponse())
    with pytest.raises(ObjectNotFound):
        storage.read("missing")


def test_a_rule_acts_on_its_name_after_its_skips_and_so_often():
    storage = FaultInjector(filled({"chk-1/a": b"1", "chk-2/a": b"2"}))
    storage.inject(Operation.READ, Fail(StorageDenied("no")), "chk-2", skip=1, times=2)
    outcomes = []
    for name in ("chk-1/a", "chk-2/a", "chk-2/a", "chk-1/a", "chk-2/a", "chk-2/a"):
        try:
            outcomes.append(storage.read(name))
        except StorageDenied:
            outcomes.append(None)
    assert outcomes == [b"1", b"2", None, b"1", None, b"2"]


def test_a_read_can_come_back_short_or_with_a_flipped_byte():
    storage = FaultInjector(filled({"a": b"hello"}))
    storage.inject(Operation.READ, ShortRead(2))
    storage.inject(Operation.READ, FlipByte(-1))
    storage.inject(Operation.READ_RANGE, FlipByte(0))
    assert storage.read("a") == b"he"
    assert storage.read("a") == b"hell" + bytes([ord("o") ^ 0xFF])
    assert storage.read("a") == b"hello"
    assert storage.read_range("a", 1, 2) == bytes([ord("e") ^ 0xFF]) + b"l"


def test_something_can_happen_elsewhere_just_before_a_call():
    inner = filled({"a": b"1"})
    storage = FaultInjector(inner)
    storage.inject(Operation.READ, Call(lambda: inner.write("a", b"2")))
    assert storage.read("a") == b"2"


def test_the_journal_has_every_call_in_order():
    storage = FaultInjector(MemoryStorage(), [Rule(lambda op, name: name == "b", Fail(), times=None)])
    storage.write("a", b"")
    with pytest.raises(StorageUnavailable):
        storage.write("b", b"")
    list(storage.list("x"))
    assert storage.journal == [
        (Operation.WRITE, "a"),
        (Operation.WRITE, "b"),
        (Operation.LIST, "x"),
    ]
