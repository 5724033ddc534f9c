"""``weir inspect``: what it finds in snapshots and job folders, as text, as JSON, and what it says of damage."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.support.checkpoints import JOB
from tests.support.snapshots import job_folder, savepoint_in
from weir.checkpoint.inspection import SnapshotFacts
from weir.checkpoint.log_inspection import JobFolderFacts
from weir.storage import MemoryStorage, PrefixedStorage

KEYED_FILE = "e1-a1-a3a69cc298b9b052-0-keyed"


@pytest.fixture
def root(request) -> MemoryStorage:
    """An empty storage of its own, which the command reaches by its URI."""
    storage = MemoryStorage.named(request.node.name)
    storage._objects.clear()
    return storage


@pytest.fixture
def sample(root):
    """A savepoint; its name is short and does not change, so that golden files keep."""
    storage = MemoryStorage.named("golden")
    storage._objects.clear()
    return storage


def test_a_savepoint_is_told_by_operator_and_state(weir, sample, golden):
    savepoint_in(PrefixedStorage(sample, "savepoint-012345-3"))
    code, out, err = weir("inspect", "memory://golden/savepoint-012345-3")
    assert (code, err) == (0, "")
    golden("cli/inspect-savepoint.txt", out)


def test_a_job_folder_is_told_by_record_and_checkpoint(weir, sample, golden):
    job_folder(sample)
    code, out, err = weir("inspect", f"memory://golden/{JOB}")
    assert (code, err) == (0, "")
    golden("cli/inspect-job-folder.txt", out)


def test_the_json_of_both_holds_to_the_published_schema(weir, sample, golden):
    folder, _ = job_folder(sample)
    schema = msgspec.json.schema(SnapshotFacts | JobFolderFacts)
    golden("cli/inspect.schema.json", json.dumps(schema, indent=1) + "\n")
    for path in (folder.uri, f"{folder.uri}/chk-2"):
        code, out, _ = weir("inspect", path, "-o", "json")
        assert code == 0
        facts = msgspec.json.decode(out, type=SnapshotFacts | JobFolderFacts)
        assert json.loads(msgspec.json.encode(facts)) == json.loads(out)


def test_metadata_may_be_named_itself(weir, root):
    savepoint_in(root)
    assert weir("inspect", root.uri)[1] == weir("inspect", f"{root.uri}/_metadata")[1]


def facts_of(weir, path: str) -> SnapshotFacts:
    return msgspec.json.decode(weir("inspect", path, "-o", "json")[1], type=SnapshotFacts)


def test_counts_are_those_of_the_whole_operator(weir, root):
    savepoint_in(root)
    by_uid = {operator.uid: operator for operator in facts_of(weir, root.uri).operators}
    count = by_uid["count"]
    assert {state.name: (state.kind, state.type, state.keys, state.entries) for state in count.states} == {
        "seen": ("value", "int", 20, None),
        "names": ("map", "str -> list[int]", 20, 40),
        "recent": ("list", "untyped", 20, 60),
        "secret": ("value", "pickled", 20, None),
    }
    assert [(timers.domain, timers.count, timers.earliest_ms) for timers in count.timers] == [
        ("event time", 20, 1_700_000_000_000),
        ("processing time", 20, 1_800_000_000_000),
    ]
    assert count.watermark == 1_700_000_000_000
    assert {state.name: (state.kind, state.entries) for state in by_uid["rules"].states} == {
        "offsets": ("union-list", 6),
        "rules": ("broadcast", 2),
    }


def test_positions_commits_and_ends_are_shown(weir, root):
    savepoint_in(root)
    by_uid = {operator.uid: operator for operator in facts_of(weir, root.uri).operators}
    assert by_uid["rows"].splits[0].data == {"name": "in/3.csv", "end": 1024, "position": 256}
    assert by_uid["rows"].finished == (1,)
    assert by_uid["out"].pending_commits[0].data == {"target": "s3://b/out", "name": "part-1"}
    enumerator = by_uid["rows (enumerator)"].enumerator
    assert enumerator is not None
    assert (enumerator.data, enumerator.readers, enumerator.told_no_more) == ({"unassigned": []}, 2, (1,))


def test_pickles_stay_closed(weir, root, monkeypatch):
    from weir.serde import pickled

    monkeypatch.setattr(pickled.pickle, "loads", lambda data: pytest.fail("a pickle was read"))
    savepoint_in(root)
    assert weir("inspect", root.uri)[0] == 0


# ---- damage


def test_a_missing_a_cut_and_a_flipped_file_are_all_named_with_both_values(weir, root):
    savepoint_in(root)
    one, two = (f"e1-a1-a3a69cc298b9b052-{index}-keyed" for index in range(2))
    whole = root.read(two)
    root.delete(one)
    root.write(two, whole[:-1])
    code, out, err = weir("inspect", root.uri)
    assert code == 1
    assert f"{root.uri}/{one} is missing, its snapshot recorded" in out
    assert f"{two} has {len(whole) - 1} bytes, its snapshot recorded {len(whole)}" in out
    assert "damaged: what could not be read is missing from these numbers" in out
    assert "2 files of" in err
    root.write(two, whole[:-1] + bytes([whole[-1] ^ 1]))
    faults = facts_of(weir, root.uri).faults
    assert [str(fault.problem) for fault in faults] == ["missing", "checksum"]
    assert faults[1].recorded != faults[1].found
    assert str(faults[1].found) in faults[1].message


def test_a_flipped_byte_of_inline_state_is_found_in_the_metadata(weir, root):
    savepoint_in(root)
    metadata = root.read("_metadata").partition(b',\n "checksum"')[0] + b"\n}"  # as if formatted anew by hand
    at = metadata.index(b'"data"') + 40
    root.write(
        "_metadata", metadata[:at] + (b"B" if metadata[at : at + 1] == b"A" else b"A") + metadata[at + 1 :]
    )
    code, out, _ = weir("inspect", root.uri)
    assert code == 1
    assert "_metadata (inline state of uid 'rows (enumerator)', subtask 0) has sha256" in out


def test_a_flipped_byte_of_a_savepoints_metadata_is_found_though_no_log_records_it(weir, root):
    savepoint_in(root)
    root.write("_metadata", root.read("_metadata").replace(b'"parallelism": 2', b'"parallelism": 3', 1))
    code, out, err = weir("inspect", root.uri)
    assert (code, out) == (1, "")
    assert f"{root.uri}/_metadata has checksum" in err


def test_metadata_of_a_checkpoint_must_be_what_the_log_recorded(weir, root):
    folder, _ = job_folder(root)
    metadata = folder.read("chk-1/_metadata")
    folder.write("chk-1/_metadata", metadata.replace(b'"parallelism": 2', b'"parallelism": 3', 1))
    code, out, err = weir("inspect", f"{folder.uri}/chk-1")
    assert (code, out) == (1, "")
    assert "chk-1/_metadata has sha256" in err
    assert "the fence log recorded" in err


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[]", b'{"format_version": 1}'])
def test_metadata_that_is_none_is_named(weir, root, damage):
    root.write("_metadata", damage)
    code, out, err = weir("inspect", root.uri)
    assert (code, out) == (1, "")
    assert f"{root.uri}/_metadata" in err


def test_a_newer_format_is_told_with_both_versions(weir, root):
    root.write("_metadata", b'{"format_version": 9}')
    assert "format version 9, this Weir reads up to 2" in weir("inspect", root.uri)[2]


def test_what_a_snapshot_does_not_refer_to_is_listed_and_harmless(weir, root):
    savepoint_in(root)
    root.write("notes.txt", b"mine")
    code, out, _ = weir("inspect", root.uri)
    assert code == 0
    assert "notes.txt: not part of it" in out


# ---- a job's folder


def test_a_damaged_checkpoint_is_named_and_does_not_hide_the_rest(weir, root):
    folder, _ = job_folder(root)
    folder.delete(f"chk-2/{KEYED_FILE}")
    code, out, err = weir("inspect", folder.uri)
    assert code == 1
    assert "damaged: 1 file" in out
    assert f"chk-2/{KEYED_FILE} is missing" in out
    assert f"refused: {folder.uri}/chk-2 is damaged, and no other restore point is safe" in out
    assert "is refused" in err


def test_an_older_checkpoint_stands_in_when_nothing_was_committed_after_it(weir, root, monkeypatch):
    from weir.checkpoint.metadata import SnapshotMetadata

    real = SnapshotMetadata
    monkeypatch.setattr(
        "tests.support.snapshots.SnapshotMetadata", lambda **fields: real(**{**fields, "has_commits": False})
    )
    folder, _ = job_folder(root)
    folder.delete(f"chk-2/{KEYED_FILE}")
    code, out, _ = weir("inspect", folder.uri)
    assert code == 1
    assert "restores  snapshot 1 (chk-1): newer ones are damaged" in out


def test_a_missing_fence_record_is_named(weir, root):
    folder, _ = job_folder(root)
    folder.delete("fence/000000000002")
    code, out, _ = weir("inspect", folder.uri)
    assert code == 1
    assert "fence/000000000002 is missing, though record 3 exists" in out
    assert "the log is damaged, so it cannot be told" in out


def test_a_damaged_fence_record_is_named(weir, root):
    folder, _ = job_folder(root)
    folder.write("fence/000000000003", b"{")
    assert "fence record memory://" in weir("inspect", folder.uri)[1]


def test_a_folder_without_metadata_is_in_progress_and_no_fault(weir, root):
    folder, _ = job_folder(root)
    folder.write(f"chk-3/{KEYED_FILE}", b"...")
    code, out, _ = weir("inspect", folder.uri)
    assert code == 0
    assert "no _metadata: in progress, or left over" in out


def test_the_newest_records_are_enough(weir, root):
    folder, _ = job_folder(root, (1, 2, 3, 4))
    out = weir("inspect", folder.uri, "--records", "2")[1]
    assert "fence log (5 records, the newest 2)" in out
    assert "restores  snapshot 4" in out


def test_a_checkpoint_that_no_record_completes_is_said_so(weir, root):
    folder, _ = job_folder(root)
    for info in list(folder.list("chk-2/")):
        folder.write(info.name.replace("chk-2", "chk-3"), folder.read(info.name))
    out = weir("inspect", f"{folder.uri}/chk-3")[1]
    assert "no record among the newest ones completes it" in out


# ---- paths that are neither


def test_an_empty_place_says_what_could_be_named(weir, root):
    code, out, err = weir("inspect", root.uri)
    assert (code, out) == (1, "")
    assert "neither a snapshot" in err
    assert "savepoint-..." in err


def test_a_root_lists_what_lies_below_it(weir, root):
    job_folder(root)
    savepoint_in(PrefixedStorage(root, "savepoint-012345-3"))
    err = weir("inspect", root.uri)[2]
    assert f"{JOB}, savepoint-012345-3: name one of them" in err


def test_an_unknown_scheme_is_refused(weir):
    code, _, err = weir("inspect", "gs://bucket/chk-1")
    assert code == 1
    assert "unknown scheme 'gs'" in err


def test_without_a_path_the_usage_is_shown(weir):
    code, out, err = weir("inspect")
    assert (code, out) == (2, "")
    assert "Missing argument 'PATH'" in err
