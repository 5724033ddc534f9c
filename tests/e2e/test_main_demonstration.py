"""The main demonstration: a year of flights that comes in by the month, while everything happens to the job that a year may bring.

Read it from top to bottom: what a person does, and what is then to be seen. The job is ``examples/flights/live.py``, the resource ``live.yaml`` beside it. Months of
flights are put into a folder of the bucket, which the job watches; its running totals go to another folder. Meanwhile the job gets a new image
with changed code, is scaled with kubectl, and loses a TaskManager and its JobManager. At the end the bucket must hold what the undisturbed job writes, line by line, and
exactly the three checkpoints that the resource asks for.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import yaml

from examples import data
from tests.e2e.exactness import Line, lines
from tests.e2e.stage import Stage
from tests.support.waiting import wait_for

EXAMPLE = Path(__file__).parent.parent.parent / "examples/flights"


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The CSV files, January to December."""
    folder = tmp_path_factory.mktemp("flights") / "input"
    with data.flights() as rows:
        data.split_by_month(rows, folder)
    return sorted(folder.iterdir())


def test_a_year_of_flights_through_upgrade_scaling_and_crashes(stage: Stage, months: list[Path]) -> None:
    # The job is applied with two months to begin with, and becomes Ready.
    feed(stage, months[0:2])
    stage.apply(resource(stage, "flights", release=1))
    stage.wait_condition("flights", "Ready")
    wait_lines(stage, "flights", months[0:2])

    # Two months more, and at once another image with changed code: a savepoint is taken by itself, and the new code goes on from it.
    feed(stage, months[2:4])
    stage.apply(resource(stage, "flights", release=2))
    stage.wait_condition("flights", "Ready")
    stage.wait_job("flights", lambda job: "lastUpgrade" in job["status"], "the new version is stable")
    upgrade = stage.status("flights")["lastUpgrade"]
    assert upgrade["mode"] == "Savepoint"
    assert upgrade["snapshot"].startswith("s3://weir/")

    # Two months more, and the TaskManager is gone.
    feed(stage, months[4:6])
    stage.kill(stage.pod_of("flights", "taskmanager"))
    wait_lines(stage, "flights", months[0:6])

    # Two months more, on twice as many subtasks.
    feed(stage, months[6:8])
    stage.kubectl("scale", "streamjobs.weir.dev/flights", "--replicas=4")
    stage.wait_job("flights", lambda job: job["status"].get("parallelism") == 4, "it runs with parallelism 4")
    wait_lines(stage, "flights", months[0:8])

    # Two months more, and the JobManager is gone; then the rest of the year.
    feed(stage, months[8:10])
    stage.kill(stage.pod_of("flights", "jobmanager"))
    feed(stage, months[10:12])
    written = wait_lines(stage, "flights", months)

    # Suspended, it holds still: three checkpoints are kept, and the status names them.
    stage.edit("flights", {"job": {"state": "Suspended"}})
    stage.wait_condition("flights", "Suspended")
    kept = [key for key in stage.objects("flights/checkpoints/") if key.endswith("/_metadata")]
    assert len(kept) == 3, kept
    named = {record["path"].rpartition("/")[2] for record in stage.status("flights")["retainedCheckpoints"]}
    assert named == {key.split("/")[-2] for key in kept}

    # The same year without any disturbance gives the same lines, and so does a calculation that knows nothing of Weir.
    stage.apply(resource(stage, "undisturbed", release=1))
    undisturbed = wait_lines(stage, "undisturbed", months)
    assert without_release(written) == without_release(undisturbed) == expected(months)
    assert {line["release"] for line in written} == {1, 2}, "both versions of the code took part"


def feed(stage: Stage, files: list[Path]) -> None:
    """Puts files into the folder that the job watches."""
    for file in files:
        stage.store.put(f"{stage.namespace}/input/flights/{file.name}", file.read_bytes())


def resource(stage: Stage, name: str, release: int) -> dict[str, object]:
    """``examples/flights/live.yaml``, with this namespace's part of the bucket and the image of the release."""
    text = (
        (EXAMPLE / "live.yaml")
        .read_text()
        .replace("s3://weir/flights", f"s3://weir/{stage.namespace}/{name}")
    )
    job = yaml.safe_load(text)
    job["metadata"]["name"] = name
    job["spec"]["image"] = stage.images.of(release)
    job["spec"]["job"]["args"][0] = f"s3://weir/{stage.namespace}/input"
    return dict(job)


def wait_lines(stage: Stage, name: str, files: list[Path]) -> list[Line]:
    """What the job has committed, as soon as it is a line for each flight of the files."""
    wanted = sum(len(file.read_text().splitlines()) - 1 for file in files)
    found: list[Line] = []

    def there() -> bool:
        found[:] = lines(stage.store.read_all(f"{stage.namespace}/{name}/result/"))
        assert len(found) <= wanted, f"{name} wrote {len(found)} lines of {wanted} flights"
        return len(found) == wanted

    wait_for(
        there, lambda: f"{name} wrote {wanted} lines, not {len(found)}; {stage.told(name)}", 240, poll=1.0
    )
    return found


def expected(files: list[Path]) -> Counter[str]:
    """The lines of the whole year, computed with the standard library."""
    totals: dict[tuple[str, str, str], tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
    wanted: Counter[str] = Counter()
    for path in files:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                key = row["carrier"], row["origin"], row["month"]
                flights, cancelled, minutes = totals[key]
                gone = row["dep_delay"] in {"", "NA"}
                totals[key] = flights + 1, cancelled + gone, minutes + (0 if gone else int(row["dep_delay"]))
                values = dict(zip(("carrier", "origin", "month"), key, strict=True))
                values |= dict(zip(("flights", "cancelled", "minutes"), totals[key], strict=True))
                wanted[json.dumps(values, sort_keys=True)] += 1
    return wanted


def without_release(found: list[Line]) -> Counter[str]:
    return Counter(
        json.dumps({name: value for name, value in line.items() if name != "release"}, sort_keys=True)
        for line in found
    )
