"""Whole manifests beside golden files: what a StreamJob becomes, to be read by people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from tests.support.stream_jobs import FULL, MINIMAL, SETTINGS, subject
from weir_operator.observed import StartDirective, StartMode
from weir_operator.resources import errands, revisions, run, services

Golden = Callable[[str, str], None]


class Readable(yaml.SafeDumper):
    """Files within manifests are shown line by line."""


Readable.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def shown(*manifests: dict[str, Any]) -> str:
    return yaml.dump_all(manifests, Dumper=Readable, sort_keys=False, width=110, explicit_start=True)


def test_the_least_that_can_be_said(golden: Golden) -> None:
    of = subject(MINIMAL)
    start = StartDirective(run=1, mode=StartMode.TAIL)
    objects = run.objects(
        of, SETTINGS, revision=1, start=start, standby=False, task_managers=1, parallelism=1
    )
    golden("manifests/minimal.yaml", shown(*run.shared(of, SETTINGS), *objects, services.rest(of, 1)))


def test_a_job_that_says_everything_about_its_pods(golden: Golden) -> None:
    of = subject(FULL)
    start = StartDirective(
        run=7, mode=StartMode.FROM, path="s3://weir/savepoints/savepoint-x", expected_tail=41
    )
    objects = run.objects(of, SETTINGS, revision=3, start=start, standby=True, task_managers=2, parallelism=4)
    golden("manifests/full.yaml", shown(*objects))


def test_pods_that_are_sent_on_errands(golden: Golden) -> None:
    of = subject(FULL)
    golden(
        "manifests/errands.yaml",
        shown(
            errands.snapshots_pod(of, SETTINGS, "inspect/1", "inspect"),
            errands.preflight_pod(of, SETTINGS, "preflight/3", "s3://weir/savepoints/savepoint-x"),
        ),
    )


def test_a_revision_is_kept_as_it_was_written(golden: Golden) -> None:
    golden("manifests/revision.yaml", shown(revisions.controller_revision(subject(), 3, "abc", MINIMAL)))
