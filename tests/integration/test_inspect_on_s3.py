"""``weir inspect`` and ``weir plan --from`` on S3 and on what a real job left; the numbers agree with its output."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tests.support.checkpoints import JOB
from tests.support.snapshots import job_folder, savepoint_in
from weir.checkpoint.inspection import SnapshotFacts
from weir.checkpoint.log_inspection import JobFolderFacts
from weir.storage import open_storage

COUNT = """
from weir import FileSink, FileSource, KeyedProcessFunction, ListStateDescriptor, ValueStateDescriptor


class Count(KeyedProcessFunction):
    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))
        self.values = ctx.get_list_state(ListStateDescriptor("values", str))

    def process_element(self, row, ctx):
        count = (self.seen.value() or 0) + 1
        self.seen.update(count)
        self.values.add(row["v"])
        yield ctx.get_current_key(), count


def build(env, args):
    rows = env.from_source(FileSource.for_csv(args[0]), name="rows").uid("rows")
    rows.key_by(lambda row: row["k"]).process(Count()).uid({uid!r}).sink_to(FileSink.for_json_lines(args[1])).uid("out")
"""
JOB_FILE = """
apiVersion: weir.dev/v1alpha1
kind: StreamJob
metadata: {name: counting}
spec:
  job: {entrypoint: "inspected_job:build", args: [in, out], parallelism: 2}
  checkpoints: {interval: 10m, retained: 3, onCancel: Retain}
  stateBackend: {type: FileSystem}
  storage: {checkpoints: checkpoints}
"""
ROWS = [(f"key-{number % 37}", str(number)) for number in range(1000)]


@pytest.fixture
def on_s3(s3, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3


def test_a_job_folder_and_a_savepoint_are_read_from_s3(weir, on_s3):
    root = open_storage(f"{on_s3.uri}/checkpoints", on_s3.options)
    job_folder(root)
    savepoint_in(open_storage(f"{on_s3.uri}/savepoints/savepoint-012345-3", on_s3.options))
    code, out, err = weir("inspect", f"{root.uri}/{JOB}", "-o", "json")
    facts = msgspec.json.decode(out, type=JobFolderFacts)
    assert (code, err) == (0, "")
    assert facts.restore is not None
    assert (facts.restore.path, facts.tail, facts.damaged) == ("chk-2", 3, False)
    code, out, _ = weir("inspect", f"{on_s3.uri}/savepoints/savepoint-012345-3/_metadata", "-o", "json")
    assert code == 0
    assert {
        state.name
        for operator in msgspec.json.decode(out, type=SnapshotFacts).operators
        for state in operator.states
    }
    assert "below it are" in weir("inspect", root.uri)[2]


def test_a_damaged_file_on_s3_is_named(weir, on_s3):
    folder = savepoint_in(open_storage(f"{on_s3.uri}/savepoint-012345-3", on_s3.options))
    name = next(info.name for info in folder.list() if info.name.endswith("keyed"))
    data = folder.read(name)
    folder.write(name, data[:-1] + bytes([data[-1] ^ 1]))
    code, out, _ = weir("inspect", folder.uri)
    assert code == 1
    assert f"{folder.uri}/{name} has sha256" in out


def test_no_keys_for_s3_is_one_clear_message(weir, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    code, out, err = weir("inspect", "s3://bucket/chk-1")
    assert (code, out) == (1, "")
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in err


@pytest.fixture
def finished_job(tmp_path: Path, monkeypatch) -> Path:
    """The folder of a job that ran to its end, with its final checkpoint."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "rows.csv").write_text("k,v\n" + "".join(f"{key},{value}\n" for key, value in ROWS))
    (tmp_path / "inspected_job.py").write_text(COUNT.replace("{uid!r}", "'count'"))
    (tmp_path / "job.yaml").write_text(JOB_FILE)
    subprocess.run(
        [sys.executable, "-m", "weir", "run", "job.yaml"], cwd=tmp_path, check=True, capture_output=True
    )
    (job,) = [path for path in (tmp_path / "checkpoints").iterdir() if len(path.name) == 32]
    return job


def test_what_a_real_job_left_is_counted_and_planned_against(weir, finished_job, tmp_path):
    code, out, err = weir("inspect", str(finished_job), "-o", "json")
    folder = msgspec.json.decode(out, type=JobFolderFacts)
    assert (code, err, folder.ended) == (0, "", "finished")
    assert folder.restore is not None
    checkpoint = f"{finished_job}/{folder.restore.path}"

    facts = msgspec.json.decode(weir("inspect", checkpoint, "-o", "json")[1], type=SnapshotFacts)
    keys = Counter(key for key, _ in ROWS)
    count = next(operator for operator in facts.operators if operator.uid == "count")
    assert {state.name: (state.keys, state.entries) for state in count.states} == {
        "seen": (len(keys), None),
        "values": (len(keys), len(ROWS)),
    }
    assert (facts.faults, facts.unreferenced, facts.final) == ((), (), True)
    assert facts.recorded

    code, out, err = weir("plan", "job.yaml", "--from", checkpoint)
    assert code == 0, err
    assert "matched  uid count" in out
    assert "would be restored" in out

    (tmp_path / "inspected_job.py").write_text(COUNT.replace("{uid!r}", "'renamed'"))
    code, out, _ = weir("plan", "job.yaml", "--from", checkpoint, "-o", "json")
    answer = json.loads(out)
    assert code == 1
    assert {uid["uid"]: uid["fit"] for uid in answer["restore"]["operators"]} == {
        "rows (enumerator)": "matched",
        "rows": "matched",
        "renamed": "new",
        "out": "matched",
        "count": "orphaned",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "weir", "run", "job.yaml", "--from", checkpoint],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert answer["restore"]["refused"] in ran.stderr, "the engine gives the very reason that the plan gave"
    assert weir("plan", "job.yaml", "--from", checkpoint, "--allow-non-restored-state")[0] == 0
