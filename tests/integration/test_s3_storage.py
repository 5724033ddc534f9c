"""S3Storage against a real S3 server, and against no server at all."""

from __future__ import annotations

import dataclasses
import http.server
import threading
import time

import pytest

from tests.support.ports import nobody_listens
from tests.support.s3_servers import READ_ONLY_KEY, READ_ONLY_SECRET, each_s3
from tests.support.storage_contract import StorageContract
from weir.errors import ObjectExists, ObjectNotFound, StorageDenied, StorageError, StorageUnavailable
from weir.storage import PrefixedStorage, S3Options, open_storage
from weir.storage.s3 import RETRY_DELAYS, S3Storage

__all__ = ["each_s3"]  # the fixture: `s3` is SeaweedFS, then MinIO


class TestS3Storage(StorageContract):
    race_rounds = 2  # some seconds each on SeaweedFS

    @pytest.fixture
    def storage(self, s3):
        return open_storage(s3.uri + "/some/prefix", s3.options)


def test_a_bucket_may_be_used_without_a_prefix(s3):
    storage = open_storage(s3.uri, s3.options)
    storage.create_if_absent("a/b", b"1")
    assert [info.name for info in storage.list()] == ["a/b"]
    assert storage.uri == s3.uri


def test_keys_are_taken_from_the_environment(s3, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    open_storage(s3.uri).write("a", b"1")
    assert open_storage(s3.uri, s3.options).read("a") == b"1"


def test_an_object_larger_than_one_part_is_uploaded_whole(s3, monkeypatch):
    monkeypatch.setattr("weir.storage.s3._PART_BYTES", 5 * 1024 * 1024)
    storage = open_storage(s3.uri, s3.options)
    data = bytes(range(256)) * (11 * 1024 * 4)
    storage.write("large", data)
    assert storage.read("large") == data


@pytest.mark.parametrize(
    ("access", "secret"),
    [("nobody", "x" * 20), ("weir-tests", "wrong-secret"), (READ_ONLY_KEY, READ_ONLY_SECRET)],
)
def test_a_wrong_key_is_named_with_its_bucket_and_not_retried(s3, access, secret):
    options = dataclasses.replace(s3.options, access_key=access, secret_key=secret)
    storage = S3Storage(s3.bucket, "", options, sleep=_never)
    for call in (lambda: storage.write("a", b"1"), lambda: storage.create_if_absent("a", b"1")):
        with pytest.raises(StorageDenied) as raised:
            call()
        assert s3.bucket in str(raised.value)
        assert access in str(raised.value)
        assert secret not in str(raised.value)


def test_a_missing_bucket_is_named(s3):
    storage = S3Storage("no-such-bucket", "", s3.options, sleep=_never)
    for call in (
        lambda: storage.read("a"),
        lambda: storage.write("a", b"1"),
        lambda: list(storage.list()),
    ):
        with pytest.raises(StorageError, match="'no-such-bucket' does not exist") as raised:
            call()
        assert not isinstance(raised.value, ObjectNotFound)


def test_a_refused_connection_is_tried_a_few_times_then_unavailable():
    with nobody_listens() as address:
        endpoint = f"http://{address}"
        slept = []
        storage = S3Storage("bucket", "", S3Options(endpoint, None, "key", "secret"), sleep=slept.append)
        for call in (lambda: storage.read("a"), lambda: storage.create_if_absent("a", b"")):
            slept.clear()
            with pytest.raises(
                StorageUnavailable, match=f"{endpoint} does not answer.*gave up after 4 attempts"
            ):
                call()
            assert slept == list(RETRY_DELAYS)


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_error_is_tried_again_until_it_passes(scripted, status):
    server, storage, slept = scripted(
        [(status, b""), (status, b"<Error><Code>SlowDown</Code></Error>"), (200, b"data")]
    )
    assert storage.read("a") == b"data"
    assert len(slept) == 2
    assert len(server.requests) == 3


def test_a_conflicting_conditional_request_is_tried_again(scripted):
    conflict = b"<Error><Code>ConditionalRequestConflict</Code></Error>"
    server, storage, _ = scripted([(409, conflict), (200, b"")])
    storage.create_if_absent("a", b"mine")
    assert [(method, headers["If-None-Match"]) for method, headers, _ in server.requests] == [
        ("PUT", "*")
    ] * 2


def test_an_own_success_whose_response_was_cut_comes_back_as_exists(scripted):
    server, storage, _ = scripted([None, (412, b"<Error><Code>PreconditionFailed</Code></Error>")])
    with pytest.raises(ObjectExists):
        storage.create_if_absent("a", b"mine")
    assert [body for _, _, body in server.requests] == [b"mine", b"mine"]


def test_a_cut_answer_is_read_again(scripted):
    _, storage, _ = scripted([(200, b"da", {"Content-Length": "4"}), (200, b"data")])
    assert storage.read("a") == b"data"


def _never(seconds):
    raise AssertionError("no retry is due")


class _Scripted(http.server.HTTPServer):
    """Gives the answers of a list: (status, body[, headers]), or None to cut the connection."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.requests = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    def _handle(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.headers, body))
        answer = self.server.answers.pop(0)
        self.close_connection = True
        if answer is None:
            return
        status, data, *more = answer
        headers = {
            "Content-Length": str(len(data)),
            "Content-Type": "application/xml",
            **(more[0] if more else {}),
        }
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_DELETE = _handle

    def log_message(self, *args):
        pass


@pytest.fixture
def scripted():
    servers = []

    def start(answers):
        server = _Scripted(answers)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        slept = []
        options = S3Options(f"http://127.0.0.1:{server.server_port}", None, "key", "secret")
        return server, S3Storage("bucket", "", options, sleep=slept.append), slept

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_upload_that_was_begun_is_told_by_its_prefix_and_given_up(s3):
    storage, other = (open_storage(f"{s3.uri}/{name}", s3.options) for name in ("some", "something"))
    for each in (storage, other):
        each._sent("POST", "a/b", {"uploads": ""}, b"", None)  # as a process does that dies then
    assert [upload.name for upload in open_storage(s3.uri, s3.options).uploads()] == [
        "some/a/b",
        "something/a/b",
    ]
    for prefix in ("", "a", "a/b"):
        [upload] = storage.uploads(prefix)
        assert upload.name == "a/b"
        assert abs(upload.begun_ms - time.time() * 1000) < 600_000
    assert list(storage.uploads("b")) == []
    for _ in range(2):
        storage.abort(upload)
    assert list(storage.uploads()) == []
    assert [upload.name for upload in PrefixedStorage(other, "a").uploads()] == ["b"]
