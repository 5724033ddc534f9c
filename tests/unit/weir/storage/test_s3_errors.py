from __future__ import annotations

import pytest
import urllib3.exceptions

from weir.errors import ObjectExists, ObjectNotFound, StorageDenied, StorageError, StorageUnavailable
from weir.storage import s3_errors

TARGET = s3_errors.Target("read", "s3://bucket/a/b", "bucket", "http://minio:9000", "the-key-id")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchKey", ObjectNotFound),
        (404, "NoSuchBucket", StorageError),
        (412, "PreconditionFailed", ObjectExists),
        (409, "ConditionalRequestConflict", StorageUnavailable),
        (403, "AccessDenied", StorageDenied),
        (403, "SignatureDoesNotMatch", StorageDenied),
        (401, "", StorageDenied),
        (500, "InternalError", StorageUnavailable),
        (503, "SlowDown", StorageUnavailable),
        (502, "", StorageUnavailable),
        (429, "", StorageUnavailable),
        (400, "RequestTimeout", StorageUnavailable),
        (400, "InvalidArgument", StorageError),
    ],
)
def test_an_answer_means(status, code, kind):
    error = s3_errors.of_answer(TARGET, status, code, "said so")
    assert type(error) is kind
    assert "s3://bucket/a/b" in str(error)


def test_a_denial_names_bucket_key_and_what_to_check():
    error = s3_errors.of_answer(TARGET, 403, "InvalidAccessKeyId", "")
    assert all(
        part in str(error) for part in ("'bucket'", "'the-key-id'", "http://minio:9000", "check the key")
    )


def test_a_missing_bucket_is_named_with_its_endpoint():
    error = s3_errors.of_answer(TARGET, 404, "NoSuchBucket", "")
    assert "'bucket' does not exist at http://minio:9000" in str(error)


def test_a_clock_that_is_off_is_said():
    assert "clock" in str(s3_errors.of_answer(TARGET, 403, "RequestTimeTooSkewed", ""))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (urllib3.exceptions.ProtocolError("cut"), StorageUnavailable),
        (urllib3.exceptions.ReadTimeoutError(None, "u", "slow"), StorageUnavailable),
        (ConnectionResetError("reset"), StorageUnavailable),
        (urllib3.exceptions.SSLError("self-signed"), StorageError),
        (ValueError("odd"), StorageError),
    ],
)
def test_a_failure_of_the_transport_means(error, kind):
    assert type(s3_errors.of_exception(TARGET, error)) is kind


def test_code_and_message_are_read_from_an_error_document():
    body = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>please</Message></Error>"
    assert s3_errors.code_of(body) == ("SlowDown", "please")
    assert s3_errors.code_of(b"<html>Bad gateway") == ("", "")
