"""New versions that cannot run: what can be told before never stops the old job, and the message says what helps (O14)."""

from __future__ import annotations

from typing import Any

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000
#: (what is changed, what the message must name)
MISTAKES: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    ({"image": "nobody.example/has-this:1"}, ("spec.image", "nobody.example/has-this:1")),
    (
        {"job": {"entrypoint": "nothing:build"}},
        ("spec.job.entrypoint nothing:build", "did you mean counting?"),
    ),
    ({"job": {"entrypoint": "misfit:build"}}, ("count", "state")),
)


def test_what_can_be_told_before_leaves_the_old_job_untouched_and_says_what_helps(stage: Stage) -> None:
    good = stage.counting("counts", rows=ROWS, rate=100)
    stage.apply(good)
    stage.wait_condition("counts", "Ready")
    number = stage.wait_checkpoint("counts", after=1)
    pods = {pod["metadata"]["uid"] for pod in stage.pods_of("counts", run=1)}

    for mistake, named in MISTAKES:
        stage.edit("counts", {"image": stage.images.of(1)} | mistake)
        blocked = stage.wait_condition("counts", "UpgradeBlocked")
        assert all(name in blocked["message"] for name in named), blocked["message"]
        stage.wait_condition("counts", "Degraded", reason=blocked["reason"])
        number = stage.wait_checkpoint("counts", after=number)

    stage.apply(good)
    stage.wait_condition("counts", "Ready")
    stage.wait_condition("counts", "Degraded", "False")
    assert pods == {pod["metadata"]["uid"] for pod in stage.pods_of("counts", run=1)}
    assert stage.runs("counts") == [1]
    assert stage.objects("counts/savepoints/") == []
    assert exactness.faults(stage.output("counts")) == []
