"""Operator lists, union lists and broadcast state over rescales 3 > 5 > 2 > 1 of a running job. Scorecard row B10."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from msgspec import structs

from tests.support import oracle
from tests.support.clusters import FAST, wait_for
from tests.support.operator_state_job import RULE_COUNT
from tests.support.processes import ROOT
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

ROWS = 16_000
RULES = {str(number): number * number for number in range(RULE_COUNT)}


def spec(folder: Path, rate: int) -> JobSpec:
    dump = folder / "dump"
    dump.mkdir()
    given = {
        "out": folder / "out",
        "dump": dump,
        "gate": folder / "gate",
        "rows": ROWS,
        "limit": ROWS // 9,
        "rate": rate,
    }
    return JobSpec(
        name="remembering",
        entrypoint="tests.support.operator_state_job:build",
        args=tuple(f"{key}={value}" for key, value in given.items()),
        python_path=(str(ROOT),),
        parallelism=3,
        overrides={"execution.checkpointing.interval": "150ms"},
        checkpoint_storage=f"file://{folder}/checkpoints",
    )


def dumps(folder: Path, parallelism: int, attempt: int) -> list[dict[str, Any]]:
    paths = sorted((folder / "dump").glob(f"{parallelism}-{attempt}-*.json"))
    return [json.loads(path.read_text()) for path in paths]


def test_lists_keep_every_element_once_unions_go_to_all_and_broadcast_maps_are_equal(tmp_path: Path) -> None:
    kept: Counter[int] = Counter()
    names = {f"3-{attempt}-{index}" for attempt in (0, 1) for index in range(3)}
    with LocalCluster(environment=FAST) as cluster:
        # So slow that rows come all the time, however long a busy machine takes to rescale.
        job = cluster.submit(spec(tmp_path, rate=200))
        wait_for(cluster, job, lambda status: status.checkpoints.completed >= 3)
        for parallelism in (5, 2, 1):
            cluster.rescale(job, parallelism)
            status = cluster.status(job)
            numbers = sorted(
                {int(p.name.split("-")[1]) for p in (tmp_path / "dump").glob(f"{parallelism}-*.json")}
            )
            (attempt,) = numbers
            rows = status.records_in
            wait_for(cluster, job, lambda status, rows=rows: status.records_in > rows + 200)
            found = dumps(tmp_path, parallelism, attempt)
            assert len(found) == parallelism
            held = Counter(value for instance in found for value in instance["rows"])
            assert max(held.values()) == 1, "a row is held once"
            assert kept <= held, "and never lost"
            sizes = [len(instance["rows"]) for instance in found]
            assert max(sizes) - min(sizes) <= 1, "dealt evenly"
            for instance in found:
                assert set(instance["names"]) <= names
                assert len(instance["names"]) == len(set(instance["names"])) == len(found[0]["names"])
            assert {json.dumps(i["rules"], sort_keys=True) for i in found if i["rules"] is not None} == {
                json.dumps(RULES, sort_keys=True)
            }
            names = {f"{parallelism}-{attempt}-{index}" for index in range(parallelism)}
            kept = held
        path = cluster.stop(job, str(tmp_path / "savepoints"))
        written = Counter(line["v"] for line in oracle.visible(str(tmp_path / "out")))
        (tmp_path / "gate").touch()
        for file in (tmp_path / "dump").iterdir():
            file.unlink()
        job = cluster.submit(spec_from(tmp_path, path))
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
    (last,) = [json.loads(file.read_text()) for file in (tmp_path / "dump").iterdir()]
    assert Counter(last["rows"]) == written, "the list is what was written when it was saved"


def spec_from(folder: Path, path: str) -> JobSpec:
    (folder / "dump").rename(folder / "dumped")
    made = spec(folder, rate=20_000)
    return structs.replace(made, parallelism=1, restore_from=path, name="again")
