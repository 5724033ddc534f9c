"""Jobs that nobody named share the name of their module or script: state goes on in the code that it is of."""

from __future__ import annotations

import itertools

import pytest

from tests.support.checkpoints import ManualClock, metadata
from weir.checkpoint import events, publishing, store
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import Cancelled
from weir.errors import RestoreBlocked
from weir.ids import CheckpointId, JobId
from weir.jobmanager.history.journal import StoredJournal
from weir.jobmanager.history.restoring import choose_job
from weir.rpc.messages import JobSpec
from weir.storage import MemoryStorage
from weir.storage.memory import mount, unmount

JOB = JobId("a" * 32)
buckets = itertools.count()


@pytest.fixture
def root():
    name = f"names-{next(buckets)}"
    storage = MemoryStorage(name)
    mount(name, storage)
    yield storage
    unmount(name)


def job(entrypoint, target=None, *, name="two", given=False):
    return JobSpec(name=name, entrypoint=entrypoint, target=target or entrypoint, named_after_code=not given)


def keep(root, spec, *, state=True, job=JOB):
    """What a run leaves that was suspended, with a checkpoint or before its first."""
    StoredJournal(spec, job, root.uri, "1", ManualClock()).claim(recovering=False)
    if state:
        folder = store.job_folder(root, job)
        fence = FenceLog(folder, "next", ManualClock())
        fence.start("next", lambda _view: None)
        order = events.Publish(CheckpointId(1), metadata(1, epoch=fence.epoch), None)
        publishing.answer(fence, folder, order, None)


def chosen(root, spec, policy="Resume"):
    return choose_job(spec, root.uri, policy)


def test_another_function_of_the_module_does_not_go_on_with_the_state_of_the_first(root):
    keep(root, job("two:evens"))
    with pytest.raises(RestoreBlocked) as refused:
        chosen(root, job("two:odds"))
    said = str(refused.value)
    assert f"job {JOB} under the name 'two' in {root.uri} is that of two:evens, and two:odds would" in said
    assert "weir run --name NAME two:odds" in said
    assert "--name two)" in said
    assert chosen(root, job("two:evens"))[0] == JOB


def test_a_module_of_the_same_last_part_is_other_code(root):
    keep(root, job("a.job:build", name="job"))
    with pytest.raises(RestoreBlocked, match=r"that of a.job:build, and b.job:build would"):
        chosen(root, job("b.job:build", name="job"))


def test_a_name_that_was_given_is_the_job_whatever_its_code(root):
    keep(root, job("two:evens"))
    assert chosen(root, job("renamed:evens", given=True))[0] == JOB


def test_a_script_is_the_same_one_in_a_folder_that_was_moved_or_entered(root):
    keep(root, job("/old/jobs/job.py", "jobs/job.py"))
    assert chosen(root, job("/new/jobs/job.py", "jobs/job.py"))[0] == JOB
    assert chosen(root, job("/old/jobs/job.py", "job.py"))[0] == JOB
    with pytest.raises(RestoreBlocked, match=r"that of jobs/job.py, and other/job.py would"):
        chosen(root, job("/old/other/job.py", "other/job.py"))


def test_jobs_that_an_earlier_release_kept_are_found_again(root):
    store.mark_name(root, "local", "two", JOB)
    assert store.origin_of(root, "local", "two", JOB) == store.Origin()
    keep(root, job("two:evens"))
    assert chosen(root, job("two:evens"))[0] == JOB


@pytest.mark.parametrize("state", [False, True], ids=["before a checkpoint", "cancelled"])
def test_where_no_state_is_left_other_code_is_a_new_job(root, state):
    keep(root, job("two:evens"), state=state)
    if state:
        fence = FenceLog(store.job_folder(root, JOB), "last", ManualClock())
        fence.start("last", lambda view: view.last.record.point)
        fence.append(Cancelled(deleted=True), fence.tail)
    assert chosen(root, job("two:odds")) == (None, "")
    assert chosen(root, job("two:evens"))[0] == JOB


def test_a_name_with_a_slash_is_not_found_under_what_stands_before_it(root):
    keep(root, job("script.py", name="daily/sums", given=True))
    assert chosen(root, job("script.py", name="daily", given=True)) == (None, "")
    assert chosen(root, job("script.py", name="daily/sums", given=True))[0] == JOB
