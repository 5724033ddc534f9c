"""StreamJob files: what becomes of each field, and every fault with line, path and nearest key."""

from __future__ import annotations

import os
from textwrap import dedent

import pytest

from weir.cli.plan import plan_text
from weir.cli.resource import read_resource, read_target
from weir.config import ExternalizedCheckpointRetention, FixedDelay, JobOptions, merge_settings
from weir.errors import ConfigError, JobLoadError

HEAD = "apiVersion: weir.dev/v1alpha1\nkind: StreamJob\nmetadata: {name: flights}\n"


@pytest.fixture
def read(tmp_path):
    """Read a file whose spec (from line 4 on) is ``text``."""

    def run(text: str, head: str = HEAD, environ=None):
        path = tmp_path / "job.yaml"
        path.write_text(head + dedent(text).lstrip("\n"))
        return read_resource(str(path), environ or {})

    return run


@pytest.fixture
def faults(read, tmp_path):
    """The faults of a file, each without the file's name."""

    def run(text: str, head: str = HEAD) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text, head)
        lines = str(caught.value).splitlines()
        lines = lines[1:] if len(lines) > 1 else lines
        return [line.strip().removeprefix(f"{tmp_path / 'job.yaml'}") for line in lines]

    return run


FULL = """
    spec:
      image: example/flights:1.4.0
      job:
        entrypoint: flights.job:build
        args: ["s3://in/flights/", "out"]
        parallelism: 4
        maxParallelism: 64
        allowNonRestoredState: true
      checkpoints: {interval: 10s, mode: AtLeastOnce, timeout: 1m, minPause: 1s, maxConcurrent: 2, tolerableFailures: 3,
                    unaligned: false, retained: 3, onCancel: Retain}
      stateBackend: {type: Memory, incremental: false}
      storage:
        checkpoints: checkpoints
        savepoints: s3://weir/savepoints
        s3: {endpoint: "http://minio.storage:9000", region: us-east-1, credentialsSecret: minio-credentials}
      restart: {strategy: FixedDelay, attempts: 3, delay: 2s}
      restore: {from: old/chk-3, nonce: 0, policy: Fresh}
      upgrade: {mode: Savepoint, rollback: true}
      snapshots: {schedule: "0 3 * * *", keep: {count: 7, age: 168h}}
      deletionPolicy: Retain
      jobManager: {resources: {limits: {cpu: 1}}, pod: {labels: {a: b}}}
      taskManager: {slots: 2, localStorage: 10Gi}
      config: {heartbeat.interval: 1s, execution.buffer-timeout: 5ms}
    status: {phase: Running}
"""


def test_every_field_of_the_documented_resource_is_understood(read, tmp_path):
    job = read(FULL)
    spec = job.spec
    assert (spec.name, spec.entrypoint, spec.args) == (
        "flights",
        "flights.job:build",
        ("s3://in/flights/", "out"),
    )
    assert (spec.parallelism, spec.max_parallelism, spec.allow_non_restored_state) == (4, 64, True)
    assert spec.checkpoint_storage == f"file://{os.getcwd()}/checkpoints"
    assert spec.restore_from == f"file://{os.getcwd()}/old/chk-3"
    assert job.savepoint_storage == "s3://weir/savepoints"
    assert (job.s3.endpoint, job.s3.region) == ("http://minio.storage:9000", "us-east-1")
    assert (job.slots, job.restore_policy) == (2, "Fresh")
    assert spec.python_path == (str(tmp_path), os.getcwd())
    assert spec.defaults == {"heartbeat.interval": "1s", "execution.buffer-timeout": "5ms"}
    options = JobOptions.from_settings(merge_settings(spec.defaults, {}, spec.overrides))
    checkpoints = options.checkpoints
    assert (checkpoints.interval, checkpoints.timeout, checkpoints.min_pause) == (10, 60, 1)
    assert (checkpoints.max_concurrent, checkpoints.tolerable_failures, checkpoints.num_retained) == (2, 3, 3)
    assert checkpoints.retention is ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION
    assert not checkpoints.exactly_once
    assert options.restart == FixedDelay(3, 2)
    assert (options.pipeline.parallelism, options.pipeline.max_parallelism) == (4, 64)
    assert options.process.task_slots == 2


def test_what_only_a_cluster_has_is_ignored_and_said_once_each(read):
    notes = read(FULL).notes
    assert [note.split(" is ignored: ")[0] for note in notes] == [
        "spec.image",
        "spec.storage.s3.credentialsSecret",
        "spec.restore.nonce",
        "spec.upgrade",
        "spec.snapshots",
        "spec.deletionPolicy",
        "spec.jobManager.resources",
        "spec.jobManager.pod",
        "spec.taskManager.localStorage",
    ]


def test_a_field_that_is_not_set_is_no_override(read):
    spec = read("spec: {job: {entrypoint: 'm:build'}, checkpoints: {}, restart: null}").spec
    assert spec.overrides == {}
    assert (spec.parallelism, spec.max_parallelism, spec.checkpoint_storage) == (1, 128, None)


def test_the_environment_wins_over_the_config_of_the_file(read):
    text = "spec: {job: {entrypoint: 'm:build'}, config: {heartbeat.interval: 1s, parallelism.default: 3}}"
    spec = read(text, environ={"WEIR_HEARTBEAT_INTERVAL": "2s"}).spec
    assert spec.defaults == {"heartbeat.interval": "2s", "parallelism.default": "3"}


def test_a_script_is_looked_for_beside_the_file(read, tmp_path):
    (tmp_path / "job.py").write_text("")
    assert read("spec: {job: {entrypoint: job.py}}").spec.entrypoint == str(tmp_path / "job.py")
    assert read("spec: {job: {entrypoint: other.py}}").spec.entrypoint == os.path.abspath("other.py")


def test_anchors_and_merges_work(read):
    head = HEAD.replace("flights}", "flights, annotations: &usual {interval: 10s, timeout: 1m}}")
    spec = read("spec: {job: {entrypoint: 'm:build'}, checkpoints: {<<: *usual, timeout: 2m}}", head).spec
    assert spec.overrides == {
        "execution.checkpointing.interval": "10s",
        "execution.checkpointing.timeout": "2m",
    }


JOB = "  job: {entrypoint: 'm:build'}\n"
FAULTS = {
    "misspelt key": (
        "  checkpoints: {intervall: 10s}",
        ":6: spec.checkpoints.intervall: unknown key; did you mean interval?",
    ),
    "misspelt section": ("  checkpoint: {}", ":6: spec.checkpoint: unknown key; did you mean checkpoints?"),
    "a key like nothing": (
        "  stateBackend: {zzz: 1}",
        ":6: spec.stateBackend.zzz: unknown key; known are type, incremental",
    ),
    "number for a duration": (
        "  checkpoints: {interval: 10}",
        ":6: spec.checkpoints.interval: got 10 (a number), expected a duration such as 500ms, 10s or 1h30m",
    ),
    "text for a number": (
        "  checkpoints: {retained: '3'}",
        ":6: spec.checkpoints.retained: got '3' (a text), expected a whole number from 1 to 1000",
    ),
    "boolean for a number": (
        "  checkpoints: {retained: true}",
        ":6: spec.checkpoints.retained: got True (a boolean), expected a whole number from 1 to 1000",
    ),
    "text for a boolean": ("  paused: 'no'", ":6: spec.paused: got 'no' (a text), expected true or false"),
    "an unknown choice": (
        "  checkpoints: {mode: ExactlyOnc}",
        ":6: spec.checkpoints.mode: got 'ExactlyOnc' (a text), expected one of ExactlyOnce, AtLeastOnce; did you mean Exact",
    ),
    "a list for a section": (
        "  checkpoints: [1]",
        ":6: spec.checkpoints: got a list, expected a mapping with interval",
    ),
    "a setting that does not exist": (
        "  config: {heartbeat.intervall: 1s}",
        ":6: spec.config: unknown setting heartbeat.intervall; did you mean heartbeat.interval?",
    ),
    "a setting's wrong value": (
        "  config: {heartbeat.interval: soon}",
        ":6: spec.config: heartbeat.interval: got 'soon', expected a duration",
    ),
    "a nested setting": (
        "  config: {heartbeat: {interval: 1s}}",
        ":6: spec.config.heartbeat: got a mapping, expected one value",
    ),
    "another strategy's field": (
        "  restart: {strategy: FixedDelay, jitter: 0.5}",
        ":6: spec.restart.jitter: belongs to the strategy ExponentialDelay, but the strategy is FixedDelay",
    ),
    "a strategy's field without the strategy": (
        "  restart: {attempts: 3}",
        ":6: spec.restart.attempts: belongs to the strategy FixedDelay, but the strategy is ExponentialDelay (the default)",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_told_with_line_path_value_and_what_is_expected(faults, case):
    text, message = FAULTS[case]
    (fault,) = faults("spec:\n" + JOB + text + "\n")
    assert fault.startswith(message)


def test_all_faults_are_told_at_once_in_the_order_of_lines(faults):
    found = faults("""
        spec:
          job: {entrypoint: 5, parallelism: 0, args: a}
          checkpoints:
            intervall: 10s
            timeout: 5
          stateBackend: {type: Disk}
    """)
    assert [fault.split(": ")[1] for fault in found] == [
        "spec.job.entrypoint",
        "spec.job.parallelism",
        "spec.job.args",
        "spec.checkpoints.intervall",
        "spec.checkpoints.timeout",
        "spec.stateBackend.type",
    ]


def test_parallelism_above_max_parallelism_names_both_values(faults):
    (fault,) = faults("spec: {job: {entrypoint: 'm:b', parallelism: 9, maxParallelism: 8}}")
    assert fault.startswith(
        ":4: spec.job.parallelism: is 9, but spec.job.maxParallelism is 8; lower the first or raise"
    )
    (fault,) = faults("spec: {job: {entrypoint: 'm:b', parallelism: 200}}")
    assert "spec.job.maxParallelism is 128 (the default)" in fault


def test_required_fields_are_asked_for(faults):
    assert faults("spec: {}", "apiVersion: weir.dev/v1alpha1\nkind: StreamJob\nmetadata: {}\n") == [
        ":3: metadata.name: missing; it is required",
        ":4: spec.job: missing; it is required",
    ]


@pytest.mark.parametrize("name", ["Flights", "a" * 46, "-x", "a_b"])
def test_an_impossible_name_is_refused(faults, name):
    (fault,) = faults("spec: {job: {entrypoint: 'm:b'}}", HEAD.replace("flights", name))
    assert fault.startswith(
        f":3: metadata.name: got '{name}' (a text), expected at most 45 lower-case letters"
    )


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (HEAD.replace("v1alpha1", "v1"), ":1: apiVersion is 'weir.dev/v1', expected weir.dev/v1alpha1"),
        (HEAD.replace("StreamJob", "FlinkDeployment"), ":2: kind is 'FlinkDeployment', expected StreamJob"),
    ],
)
def test_another_kind_of_resource_is_refused_at_once(faults, head, message):
    assert faults("spec: {jobb: 1}", head) == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not YAML: expected ',' or ']'"),
        ("a: 1\na: 2\n", "a is there twice, first in line 1"),
        ("", "is empty, expected a StreamJob"),
        ("a: 1\n---\nb: 2\n", "has 2 documents (line 1, line 3), expected one StreamJob"),
        ("- a\n", "expected a StreamJob (apiVersion, kind, metadata, spec)"),
        (
            "a: !!python/object:os.system {}\n",
            "not YAML: the tag tag:yaml.org,2002:python/object:os.system is not allowed",
        ),
        ("a: !!python/name:os.system x\n", "not YAML: could not determine a constructor"),
        ("\x00", "not YAML: unacceptable character"),
    ],
)
def test_a_file_that_is_no_single_yaml_mapping_is_refused(tmp_path, text, message):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_resource(str(path))
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"missing.yaml cannot be read: No such file"):
        read_resource(str(tmp_path / "missing.yaml"))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary.yaml is not UTF-8 text"):
        read_resource(str(tmp_path / "binary.yaml"))


def test_a_target_is_a_file_a_script_or_a_function(tmp_path):
    spec = read_target("flights.job:build", ["a"], {}).spec
    assert (spec.name, spec.entrypoint, spec.args, spec.python_path) == (
        "job",
        "flights.job:build",
        ("a",),
        (os.getcwd(),),
    )
    spec = read_target("jobs/count.py", [], {"WEIR_PARALLELISM_DEFAULT": "3"}).spec
    assert (spec.name, spec.entrypoint) == ("count", os.path.abspath("jobs/count.py"))
    assert spec.defaults == {"parallelism.default": "3"}
    with pytest.raises(JobLoadError, match=r"'count' is no job; name a FILE.yaml, a script job.py or"):
        read_target("count")
    with pytest.raises(ConfigError, match=r"arguments \(a b\) belong into spec.job.args"):
        read_target("job.yaml", ["a", "b"])


def test_weir_plan_loads_in_a_child_and_shows_the_plan(read, tmp_path):
    (tmp_path / "jobs.py").write_text(
        "def build(env, args):\n    print('noise')\n    env.from_collection(args).uid('in').map(len).uid('n').print().uid('out')\n"
    )
    read("spec: {image: x, job: {entrypoint: 'jobs:build', args: [a], parallelism: 2}}")
    text, notes = plan_text(str(tmp_path / "job.yaml"))
    assert text.startswith("job flights: 3 vertices, 2 slots\n")
    assert "Map [map]  uid n" in text
    assert "noise" not in text
    assert notes == ("spec.image is ignored: the job runs in this Python environment",)
    assert '"job_name": "flights"' in plan_text(str(tmp_path / "job.yaml"), json=True)[0]


def test_weir_plan_of_a_job_that_cannot_be_planned_begins_with_the_users_line(read, tmp_path):
    path = tmp_path / "jobs.py"
    path.write_text("def build(env):\n    env.from_collection([1]).uid('x').print().uid('x')\n")
    read("spec: {job: {entrypoint: 'jobs:build'}}")
    with pytest.raises(JobLoadError) as caught:
        plan_text(str(tmp_path / "job.yaml"))
    assert str(caught.value).startswith(
        f"{path}:2: operators 'Collection' ({path}:2) and 'Print' ({path}:2) have the same uid 'x'"
    )
