"""A pickle in a snapshot runs no code: not without leave, not unsigned, not signed by somebody else. Row R36."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from weir.config import JobOptions
from weir.errors import ConfigError, SerializationError, SnapshotCorrupt
from weir.records import RowBatch
from weir.serde import PickleSerializer, allow_pickle, allow_pickle_by
from weir.state import (
    KeyCell,
    KeyedStateStore,
    ListStateDescriptor,
    MapStateDescriptor,
    OperatorStateStore,
    ValueStateDescriptor,
)
from weir.taskmanager import stored_rows


class Gadget:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    return tmp_path / "ran"


def signed_by(key: bytes, values: list[Any]) -> bytes:
    allow_pickle(key)
    try:
        return PickleSerializer().encode(values)
    finally:
        allow_pickle(None)


@pytest.mark.parametrize("unsigned", [False, True], ids=["signed-only", "unsigned-too"])
def test_without_leave_nothing_is_read_or_written(proof: Path, unsigned: bool) -> None:
    serializer = PickleSerializer(unsigned=unsigned)
    for data in (pickle.dumps([Gadget(proof)]), signed_by(b"k" * 32, [Gadget(proof)])):
        with pytest.raises(SerializationError, match=r"set state\.pickle\.key-file to a file"):
            serializer.decode(data)
    with pytest.raises(SerializationError, match=r"values of type .*Gadget would be pickled"):
        serializer.encode([Gadget(proof)])
    assert not proof.exists()


@pytest.mark.usefixtures("pickle_key")
def test_with_leave_what_is_not_signed_by_this_job_stays_unread(proof: Path) -> None:
    serializer = PickleSerializer()
    good = serializer.encode([Gadget(proof)])
    with pytest.raises(SerializationError, match=r"not signed.*PickleSerializer\(unsigned=True\)"):
        serializer.decode(pickle.dumps([Gadget(proof)], protocol=5))
    mine = PickleSerializer().encode([1])
    spliced = mine[:33] + good[33:]
    for data in (spliced, good[:-1], good[:33] + b"x" + good[34:], b"\x01", b"\x01" + bytes(40)):
        for reader in (serializer, PickleSerializer(unsigned=True)):
            with pytest.raises(
                SerializationError, match=r"signed with another key .* nothing of them was read"
            ):
                reader.decode(data)
    assert not proof.exists()
    serializer.decode(good)
    assert proof.exists(), "the gadget works where it is let"


def test_a_pickle_of_another_jobs_key_stays_unread(proof: Path, pickle_key: Path) -> None:
    foreign = signed_by(b"another job's key, of 32 bytes and more", [Gadget(proof)])
    allow_pickle_by(str(pickle_key))
    with pytest.raises(SerializationError, match="signed with another key"):
        PickleSerializer().decode(foreign)
    assert not proof.exists()


@pytest.mark.usefixtures("pickle_key")
def test_pickles_from_before_signatures_are_read_where_the_program_says_so(proof: Path) -> None:
    serializer = PickleSerializer(unsigned=True)
    assert serializer.decode(pickle.dumps([{1}], protocol=5)) == [{1}]
    assert serializer.encode([{1}])[:1] == b"\x01", "what is written is signed"
    with pytest.raises(SerializationError, match="nothing of them was read"):
        serializer.decode(b"\x01" + pickle.dumps([Gadget(proof)]))
    assert not proof.exists()


def test_a_state_that_would_be_pickled_is_refused_when_it_is_declared_with_its_name_and_the_remedy() -> None:
    keyed, plain = KeyedStateStore(KeyCell(), 128, range(128), "count"), OperatorStateStore("rules")
    wanted = r"of operator count would be pickled.*declare a type \(dataclass.*set state\.pickle\.key-file"
    for descriptor in (
        ValueStateDescriptor("seen", PickleSerializer()),
        ListStateDescriptor("seen", PickleSerializer()),
    ):
        with pytest.raises(SerializationError, match=f"^state 'seen' {wanted}"):
            keyed.get_state(descriptor)
    with pytest.raises(SerializationError, match=f"^the key of state 'seen' {wanted}"):
        keyed.get_state(MapStateDescriptor("seen", PickleSerializer(), int))
    with pytest.raises(
        SerializationError, match=r"^operator state 'mine' of operator rules would be pickled"
    ):
        plain.get_list_state(ListStateDescriptor("mine", PickleSerializer()))


def test_a_key_is_a_secret_of_some_length_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 3 bytes, it needs 32"):
        allow_pickle(b"abc")
    with pytest.raises(ConfigError, match=r"state\.pickle\.key-file: .*nowhere cannot be read: No such file"):
        allow_pickle_by(str(tmp_path / "nowhere"))
    options = JobOptions.from_settings({"state.pickle.key-file": "/etc/key"})
    assert options.state_backend.pickle_key_file == "/etc/key"


# ---- rows on their way, in unaligned checkpoints -------------------------------------------------------------------------


@dataclass
class Order:
    number: int
    lines: list[str]


class Colour(Enum):
    RED = "red"


@dataclass
class Odd:
    number: int
    anything: Gadget


ROWS = {
    "text": ["a", "b"],
    "dicts": [{"a": [1, None]}, {"b": {2}}],
    "tuples": [(1, "a"), (2, "b")],
    "records": [Order(1, ["x"]), Order(2, [])],
    "enums": [Colour.RED],
    "tuples-with-records": [("k", Order(1, [])), ("l", Order(2, ["y"]))],
    "none": [],
}


@pytest.mark.parametrize("values", ROWS.values(), ids=ROWS)
def test_rows_of_builtin_types_and_of_classes_need_no_pickle(
    values: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickle, "loads", lambda data: pytest.fail("a pickle was read"))
    batch = RowBatch(values, list(range(len(values))), ["k"] * len(values))
    found = stored_rows.decode(stored_rows.encode(batch))
    assert (found.values, found.timestamps, found.keys) == (values, batch.timestamps, batch.keys)
    found = stored_rows.decode(stored_rows.encode(RowBatch(values)))
    assert (found.values, found.timestamps, found.keys) == (values, None, None)


def test_rows_without_a_form_are_pickled_only_with_leave_and_a_signature(
    proof: Path, pickle_key: Path
) -> None:
    allow_pickle(None)
    rows = RowBatch([Odd(1, Gadget(proof)), Gadget(proof)])
    with pytest.raises(
        SerializationError, match=r"values of type .*Gadget, .*Odd would be pickled.*key-file"
    ):
        stored_rows.encode(rows)
    allow_pickle_by(str(pickle_key))
    data = stored_rows.encode(rows)
    allow_pickle(b"another job's key, of 32 bytes and more")
    with pytest.raises(SerializationError, match="signed with another key"):
        stored_rows.decode(data)
    for other in (pickle.dumps(([Gadget(proof)], None, None)), b"", data[:-1]):
        with pytest.raises(SnapshotCorrupt, match="rows in a checkpoint are damaged"):
            stored_rows.decode(other)
    assert not proof.exists()


def test_a_class_that_is_gone_or_none_at_all_is_not_called(proof: Path) -> None:
    data = stored_rows.encode(RowBatch([Order(1, [])]))
    module = Order.__module__.encode()
    for name in (b"Gone", b"proof"):
        with pytest.raises(SerializationError, match=f"class {name.decode()} of module"):
            stored_rows.decode(data.replace(b"\xa5Order", bytes([0xA0 + len(name)]) + name))
    assert module in data
