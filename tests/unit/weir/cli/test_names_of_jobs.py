"""What a job is called that ``weir run`` starts."""

from __future__ import annotations

import os

import pytest

from weir.cli.resource import read_target
from weir.cli.run_job import named
from weir.errors import ConfigError


@pytest.mark.parametrize(
    ("target", "name", "relative"),
    [
        ("counts:build", "counts", "counts:build"),
        ("flights.job:build", "job", "flights.job:build"),
        ("two:odds", "two", "two:odds"),
        ("jobs/my job.py", "my job", "jobs/my job.py"),
        ("./jobs/../job.py", "job", "job.py"),
    ],
)
def test_a_job_that_nobody_names_is_named_after_its_code_and_its_code_is_told(target, name, relative):
    spec = named(read_target(target, (), {}).spec, None)
    assert (spec.name, spec.target, spec.named_after_code) == (name, relative, True)


def test_a_name_that_is_given_wins_and_is_not_that_of_the_code():
    spec = named(read_target(os.path.abspath("job.py"), (), {}).spec, "sums-2")
    assert (spec.name, spec.named_after_code, spec.target) == ("sums-2", False, "job.py")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\nb", "\ud800", "x" * 201, "ä" * 34])
def test_a_name_under_which_nothing_can_be_kept_is_refused(name):
    with pytest.raises(ConfigError, match=r"cannot be a job's name.*--name"):
        named(read_target("job.py", (), {}).spec, name)


def test_a_script_whose_name_is_none_for_a_job_asks_for_one():
    spec = read_target(f"jobs/{'x' * 201}.py", (), {}).spec
    with pytest.raises(ConfigError, match=r"x' cannot be a job's name.*--name"):
        named(spec, None)
    assert named(spec, "long").name == "long"
