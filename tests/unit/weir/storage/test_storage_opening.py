from __future__ import annotations

import os

import pytest

from weir.errors import ConfigError, StorageError
from weir.storage import LocalStorage, S3Options, absolute_uri, join_uri, open_storage, resolve

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
S3 = S3Options("http://127.0.0.1:9", "us-east-1", "key", "secret")


@pytest.mark.parametrize(
    "uri", ["file:///data/checkpoints", "/data/checkpoints", "/data/checkpoints/", "file:/data/checkpoints"]
)
def test_a_folder_may_be_written_as_path_or_uri(uri):
    storage = open_storage(uri)
    assert isinstance(storage, LocalStorage)
    assert storage.uri == "file:///data/checkpoints"


def test_a_relative_folder_is_below_the_working_directory():
    assert open_storage("out/checkpoints").uri == f"file://{os.getcwd()}/out/checkpoints"
    assert absolute_uri("out") == f"file://{os.getcwd()}/out"
    assert absolute_uri("s3://b/p") == "s3://b/p"


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        ("gs://bucket/x", ["'gs'", "s3://"]),
        ("hdfs:/x", ["'hdfs'", "file:///"]),
        ("s3:/bucket/x", ["s3://bucket/x"]),
        ("file://host/x", ["file:///host/x"]),
        ("s3:///x", ["bucket"]),
        ("s3://b/x", ["bucket", "'b'"]),
        ("", ["not a folder"]),
    ],
)
def test_an_impossible_uri_is_named_with_what_would_do(uri, names):
    with pytest.raises(ConfigError) as raised:
        open_storage(uri, S3)
    assert all(name in str(raised.value) for name in names)


def test_a_prefix_of_a_bucket_cannot_leave_it():
    with pytest.raises(StorageError, match="refused"):
        open_storage("s3://bucket/../other", S3)


@pytest.mark.parametrize(
    ("path", "root", "name"),
    [
        ("/data/in/a.csv", "file:///data/in", "a.csv"),
        ("/data/in/", "file:///data", "in"),
        ("/data/2024-*/x/*.csv", "file:///data", "2024-*/x/*.csv"),
        ("file:///data/in/*.csv", "file:///data/in", "*.csv"),
        ("/top", "file:///", "top"),
        ("s3://bucket", "s3://bucket", ""),
        ("s3://bucket/", "s3://bucket", ""),
        ("s3://bucket/in", "s3://bucket", "in"),
        ("s3://bucket/a/b/*.csv", "s3://bucket/a/b", "*.csv"),
        ("/data/run[1]/", "file:///data", "run[1]"),
        ("memory://space/a/b", "memory://space/a", "b"),
    ],
)
def test_a_path_is_split_into_its_storage_and_a_name(path, root, name):
    resolved = resolve(path, S3)
    assert (resolved.storage.uri, resolved.name) == (root, name)


@pytest.mark.parametrize(
    ("path", "root", "name"),
    [
        ("in", ".", "in"),
        ("./in", ".", "in"),
        (".", ".", ""),
        ("a/*.csv", "a", "*.csv"),
        ("*.csv", ".", "*.csv"),
        ("..", "..", ""),
    ],
)
def test_a_relative_path_is_split_below_the_working_directory(path, root, name):
    resolved = resolve(path)
    assert (resolved.storage.uri, resolved.name) == (f"file://{os.path.abspath(root)}", name)


def test_a_name_is_joined_to_its_root():
    assert join_uri("s3://b/p/", "chk-1/_metadata") == "s3://b/p/chk-1/_metadata"
    assert join_uri("s3://b/p", "") == "s3://b/p"


def test_options_of_the_job_win_over_the_environment():
    environment = {
        **KEYS,
        "AWS_ENDPOINT_URL": "http://env:1",
        "AWS_REGION": "eu-west-1",
        "AWS_SESSION_TOKEN": "t",
    }
    assert S3Options().completed(environment) == S3Options("http://env:1", "eu-west-1", "key", "secret", "t")
    given = S3Options("https://job/", "us-west-2", "other", "hidden")
    assert given.completed(environment) == S3Options("https://job", "us-west-2", "other", "hidden", None)


def test_without_an_endpoint_it_is_aws_itself():
    assert S3Options().completed(KEYS).endpoint == "https://s3.us-east-1.amazonaws.com"


def test_secrets_are_not_printed():
    assert "hidden" not in repr(S3Options("http://x", "r", "key", "hidden", "hidden-token"))


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (S3Options(), {}, "AWS_ACCESS_KEY_ID"),
        (S3Options(), {"AWS_ACCESS_KEY_ID": "abc"}, "secret key of access key abc"),
        (S3Options("minio:9000"), KEYS, "http://HOST:PORT"),
        (S3Options("http://minio:9000/bucket"), KEYS, "s3://BUCKET/PREFIX"),
    ],
)
def test_incomplete_options_say_what_to_set(options, environment, said):
    with pytest.raises(ConfigError, match=said):
        options.completed(environment)
