"""What a new version changes in a job's graph is said operator by operator."""

from __future__ import annotations

from typing import Any

from weir import DataGeneratorSource, StreamExecutionEnvironment
from weir.graph.changes import Outline, changes, decode, encode, outline
from weir.graph.plan import make_plan


def job(
    *, keyed: Any = lambda n: n % 10, doubled: bool = False, to: str = "out", parallelism: int = 2
) -> Outline:
    env = StreamExecutionEnvironment()
    numbers = env.from_source(DataGeneratorSource(lambda n: n, 10), name="numbers").uid("numbers")
    sums = numbers.key_by(keyed).reduce(lambda a, b: a + b).name("sums").uid("sums")
    if doubled:
        sums = sums.map(lambda n: 2 * n).name("double").uid("double")
    sums.print().name(to).uid("out")
    return outline(make_plan(env.job_code("job").graph, parallelism, 128))


def test_the_same_job_is_no_change_and_an_outline_survives_its_text() -> None:
    assert changes(job(), job()) == ()
    assert decode(encode(job())) == job()
    assert decode("") is None
    assert decode('{"a": 1}') is None


def test_an_operator_between_two_others_is_new_and_the_next_gets_its_rows_from_it() -> None:
    said = changes(job(), job(doubled=True))
    assert said[0] == "operator 'double' is new: it begins without state"
    assert said[1] == "operator 'out' gets its rows from 'double' (chained) instead of from 'sums' (chained)"
    assert changes(job(doubled=True), job())[0] == (
        "operator 'double' is gone: a snapshot with state of it needs job.allowNonRestoredState"
    )


def test_other_code_another_name_and_another_parallelism_are_said_of_the_operator() -> None:
    assert any("has other code or settings" in text for text in changes(job(), job(keyed=lambda n: n % 5)))
    assert changes(job(), job(to="there")) == ("operator 'there' (uid out) was called 'out'",)
    assert "operator 'sums' has parallelism 3 instead of 2" in changes(job(), job(parallelism=3))
