"""What ``weir submit`` makes of a script and of a file, and what it says that would happen."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from weir.cli.cluster_plan import foresee
from weir.cli.kubectl import Kubectl, Refused
from weir.cli.main import weir
from weir.cli.spec_change import start_of
from weir.cli.submission import MAX_SCRIPT, Described, Submission, of_document, of_script
from weir.errors import ConfigError
from weir_operator.validation import stream_job_faults


def script(folder: Path, text: str = "print('x')\n", name: str = "my_job.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_script_becomes_a_stream_job_that_its_own_rules_accept_and_a_config_map(tmp_path: Path) -> None:
    said = Described(
        parallelism=2,
        interval="10s",
        checkpoints="s3://weir/c",
        savepoints="s3://weir/s",
        s3_endpoint="http://minio:9000",
        credentials_secret="keys",
    )
    made = of_script(script(tmp_path), ["a"], said)
    assert made.code is not None
    assert made.code["data"] == {"my_job.py": "print('x')\n"}
    assert made.job["metadata"]["name"] == "my-job"
    assert made.job["spec"]["job"] == {
        "entrypoint": "my_job.py",
        "args": ["a"],
        "parallelism": 2,
        "code": {"configMap": made.code["metadata"]["name"]},
    }
    assert stream_job_faults(made.job) == []


def test_another_text_is_another_config_map_and_the_same_text_the_same(tmp_path: Path) -> None:
    def name(text: str) -> Any:
        made = of_script(script(tmp_path, text), [], Described())
        assert made.code is not None
        return made.code["metadata"]["name"]

    assert name("a") == name("a") != name("b")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("9.py", "x", "--name"),
        ("big.py", "#" * (MAX_SCRIPT + 1), "job.code.uri"),
        ("b.py", "\udcff", "cannot be read"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_a_remedy(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=said):
        of_script(str(tmp_path / name), [], Described())


def test_the_script_of_a_file_comes_along_unless_its_code_comes_from_elsewhere(tmp_path: Path) -> None:
    script(tmp_path, name="job.py")
    metadata = {"name": "flights", "namespace": "ns"}
    job: dict[str, Any] = {"metadata": metadata, "spec": {"job": {"entrypoint": "job.py"}}}
    made = of_document(job, str(tmp_path))
    assert made.code is not None
    assert made.code["metadata"]["namespace"] == "ns"
    brought = {"metadata": metadata, "spec": {"job": {"entrypoint": "job.py", "code": {"configMap": "mine"}}}}
    assert of_document(brought, str(tmp_path)).code is None
    module = {"metadata": metadata, "spec": {"job": {"entrypoint": "flights.job:build"}}}
    assert of_document(module, str(tmp_path)).documents == [module]


@pytest.mark.parametrize(
    ("spec", "status", "said"),
    [
        ({}, {}, "else empty"),
        ({"restore": {"from": "s3://x"}}, {}, "s3://x"),
        ({}, {"claimed": True, "phase": "Running"}, "stops with"),
        ({"upgrade": {"mode": "Stateless"}}, {"claimed": True, "phase": "Running"}, "gives the state up"),
        ({}, {"claimed": True, "phase": "Suspended", "lastSavepoint": {"path": "s3://s"}}, "s3://s"),
        (
            {"upgrade": {"mode": "LastState"}},
            {"claimed": True, "phase": "Running", "lastCheckpoint": {"path": "s3://c"}},
            "s3://c",
        ),
    ],
)
def test_what_the_next_run_starts_from_is_said(spec: Any, status: Any, said: str) -> None:
    assert said in start_of(spec, status)


FAKE = """#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path(__file__).parent
words = [word for word in sys.argv[1:] if not word.startswith("--namespace") and not word.startswith("--context")]
with (here / "calls").open("a") as calls: calls.write(words[0] + (" dry" if "--dry-run=server" in words else "") + chr(10))
if (here / "fault").exists(): sys.exit((here / "fault").read_text())
if words[0] == "get": print((here / "live").read_text() if (here / "live").exists() else "")
if words[0] == "apply":
    asked = json.load(sys.stdin)
    for item in asked["items"]: item["metadata"].setdefault("namespace", "default"); item["metadata"]["uid"] = "u"
    print(json.dumps(asked))
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that says what its folder holds."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    program = folder / "kubectl"
    program.write_text(FAKE)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("KUBECTL", str(program))
    return folder


def calls(cluster: Path) -> list[str]:
    return (cluster / "calls").read_text().split("\n")[:-1]


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(weir, list(words), standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.return_value, done.output


def test_a_dry_run_asks_and_applies_nothing(cluster: Path, tmp_path: Path) -> None:
    code, text = run("submit", script(tmp_path), "--dry-run")
    assert (code, calls(cluster)) == (0, ["apply dry", "get"])
    assert "default/my-job: it is new" in text


def test_what_is_applied_is_said_before_and_the_script_goes_with_its_job(
    cluster: Path, tmp_path: Path
) -> None:
    live = {"metadata": {"name": "my-job"}, "spec": {"job": {"entrypoint": "my_job.py"}, "image": "x:1"}}
    (cluster / "live").write_text(json.dumps(live))
    code, text = run("submit", script(tmp_path), "--image", "x:2", "--wait", "5", "-o", "json")
    assert (code, calls(cluster)) == (0, ["apply dry", "get", "apply", "patch", "wait"])
    said = json.loads(text.splitlines()[0])
    assert said["change"] == "UPGRADE"
    assert [field["path"] for field in said["fields"]] == ["image", "job.code.configMap"]


SUMS = """
from weir import DataGeneratorSource, StreamExecutionEnvironment
env = StreamExecutionEnvironment.get_execution_environment()
numbers = env.from_source(DataGeneratorSource(lambda n: n, 10), name="numbers").uid("numbers")
numbers.key_by(lambda n: n % 10).reduce(lambda a, b: a + b).name("sums").uid("sums").print()
env.execute("sums")
"""


def test_what_a_changed_script_changes_in_the_graph_is_said_and_the_old_code_is_not_run(
    cluster: Path, tmp_path: Path
) -> None:
    code, text = run("submit", script(tmp_path, SUMS), "--dry-run", "-o", "yaml")
    shown = list(yaml.safe_load_all(text[: text.index("weir: StreamJob")]))
    (cluster / "live").write_text(json.dumps(shown[1]))

    changed = SUMS.replace("n % 10", "n % 5").replace('.uid("sums")', '.uid("totals")')
    code, text = run("submit", script(tmp_path, changed))
    assert code == 0
    assert "operator 'sums' is gone: a snapshot with state of it needs job.allowNonRestoredState" in text
    assert "operator 'sums' (uid totals) is new: it begins without state" in text
    assert calls(cluster)[-2:] == ["apply", "patch"]


def test_a_graph_that_cannot_be_had_here_is_said_to_be_unknown_and_the_job_is_applied(
    cluster: Path, tmp_path: Path
) -> None:
    live = {"metadata": {"name": "my-job"}, "spec": {"job": {"entrypoint": "my_job.py"}}}
    (cluster / "live").write_text(json.dumps(live))
    code, text = run("submit", script(tmp_path, "import in_the_image_alone\n"))
    assert code == 0
    assert "its graph is not compared, since the script cannot be planned here" in text
    assert "in_the_image_alone" in text
    code, text = run("submit", script(tmp_path, SUMS))
    assert "of the version that runs none was remembered" in text


def test_what_the_api_server_refuses_is_told_and_nothing_is_applied(cluster: Path, tmp_path: Path) -> None:
    (cluster / "fault").write_text("The StreamJob is invalid: spec.image: no")
    with pytest.raises(Refused, match=r"spec\.image: no"):
        run("submit", script(tmp_path))
    assert calls(cluster) == ["apply dry"]


def test_without_kubectl_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECTL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="install it, or name it in KUBECTL"):
        foresee(Kubectl(), Submission({}))
    assert os.environ["PATH"] == str(tmp_path)
