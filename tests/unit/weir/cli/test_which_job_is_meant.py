"""Commands that name a job: which one of which JobManager it is, and when its cancellation is over."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from weir.cli import cancelling, rest_client
from weir.cli.rest_client import Access, AmbiguousJob, NotReachable, RestClient, find_job
from weir.errors import ConfigError, UnknownJob

ONE, TWO, OLD = "1" * 32, "2" * 32, "3" * 32


@contextmanager
def jobmanager(*jobs: tuple[str, str, str], status: int = 200) -> Iterator[str]:
    """Serves a list of jobs (id, name, state, oldest first); its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listed = [{"jid": jid, "name": name, "state": state} for jid, name, state in jobs]
            body = json.dumps(
                {"jobs": listed, "weir-version": "x"} if status == 200 else {"errors": ["no token"]}
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def machine(monkeypatch):
    """``machine([job, ...], ...)``: JobManagers of this machine, in the order of their ports."""
    with ExitStack() as stack:

        def run(*served: list[tuple[str, str, str]], others: tuple[str, ...] = ()) -> list[str]:
            addresses = [*others, *(stack.enter_context(jobmanager(*jobs)) for jobs in served)]
            here = [RestClient(Access(), address) for address in addresses]
            monkeypatch.setattr(rest_client, "clients", lambda access: here)
            return addresses

        yield run


def found(job: str) -> tuple[str, str]:
    client, job_id = find_job(Access(), job)
    return client.address, job_id


def test_a_name_that_two_jobmanagers_have_is_refused_with_their_jobs(machine):
    first, second = machine([(ONE, "k", "RUNNING")], [(TWO, "k", "RESTARTING")])
    with pytest.raises(AmbiguousJob) as refused:
        find_job(Access(), "k")
    assert str(refused.value) == (
        f"2 jobs are called 'k': {ONE} at {first} (RUNNING); {TWO} at {second} (RESTARTING); name the one you mean by its id"
    )
    assert found(TWO) == (second, TWO)


def test_one_job_at_two_jobmanagers_is_told_apart_by_their_address(machine):
    machine([(ONE, "k", "RUNNING")], [(ONE, "k", "RUNNING")])
    with pytest.raises(AmbiguousJob, match=r"by its JobManager, with --address$"):
        find_job(Access(), ONE)


def test_jobs_that_ended_do_not_make_a_name_ambiguous(machine):
    first, second = machine(
        [(OLD, "k", "FAILED"), (ONE, "k", "FINISHED"), (TWO, "m", "CANCELED")], [(TWO, "k", "RUNNING")]
    )
    assert found("k") == (second, TWO)
    assert found("m") == (first, TWO)


def test_of_jobs_that_ended_the_newest_of_a_jobmanager_is_meant(machine):
    (only,) = machine([(OLD, "k", "FAILED"), (ONE, "k", "CANCELED")])
    assert found("k") == (only, ONE)


def test_an_id_is_an_id_whatever_jobs_are_called(machine):
    first, _ = machine([(ONE, "k", "RUNNING")], [(TWO, ONE, "RUNNING")])
    assert found(ONE) == (first, ONE)


def test_a_jobmanager_of_somebody_else_does_not_hide_the_job(machine):
    with jobmanager(status=401) as closed:
        _, mine = machine([(ONE, "k", "RUNNING")], others=(closed,))
        assert found("k") == (mine, ONE)
        with pytest.raises(rest_client.Refused, match="no token"):
            find_job(Access(), "other")


def test_a_job_that_is_nowhere_is_unknown(machine):
    machine([(ONE, "kind", "RUNNING")])
    with pytest.raises(UnknownJob, match="did you mean kind"):
        find_job(Access(), "kin")


@pytest.mark.parametrize("address", ["http://[::1", "[::1", "http://[x]:1"])
def test_an_address_with_half_a_bracket_is_none(address):
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        RestClient(Access(), address)


class Scripted:
    """A JobManager that says these, one after the other, and then the last one again and again."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)

    def call(self, _method: str, path: str) -> None:
        assert path == f"/jobs/{ONE}?mode=cancel"

    def get(self, _path: str) -> dict[str, str]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {"status": answer}


@pytest.fixture
def cancel(monkeypatch, capsys):
    monkeypatch.setattr(cancelling, "_POLL", 0)

    def run(*answers: str | Exception) -> tuple[int, str, str]:
        monkeypatch.setattr(cancelling, "find_job", lambda access, job: (Scripted(*answers), ONE))
        code = cancelling.cancel_job(Access(), "k", json=False)
        return code, *capsys.readouterr()

    return run


def test_a_jobmanager_that_is_slow_or_replaced_is_asked_again(cancel):
    slow, closed = NotReachable("it did not answer within 15 s"), NotReachable("connection reset")
    code, out, err = cancel("CANCELLING", slow, slow, closed, "CANCELED")
    assert (code, out) == (0, f"{ONE} CANCELED\n")
    assert "has ended" not in err


def test_a_jobmanager_that_listens_no_more_has_ended_with_its_job(cancel):
    code, out, err = cancel("CANCELLING", rest_client.NoListener("nothing listens there"))
    assert (code, out) == (0, f"{ONE} CANCELED\n")
    assert "its JobManager has ended" in err


def test_a_jobmanager_that_never_answers_leaves_the_end_open(cancel, monkeypatch):
    monkeypatch.setattr(cancelling, "PATIENCE", 0.05)
    code, out, err = cancel(NotReachable("it did not answer within 15 s"))
    assert (code, out) == (1, f"{ONE} CANCELLING\n")
    assert "has not ended within 0.05 s; it was asked to; it did not answer within 15 s" in err
