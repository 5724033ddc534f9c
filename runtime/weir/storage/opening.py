"""From what people write (a folder, a path, a glob, a URI) to a storage and a name in it.

``open_storage`` is for roots (checkpoints, savepoints); ``resolve`` and ``expand`` are for the paths of
connectors, which may be a file, a folder or a glob on any storage.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from weir.errors import ConfigError, ObjectNotFound
from weir.storage.base import ObjectInfo, Storage
from weir.storage.local import LocalStorage
from weir.storage.memory import mounted
from weir.storage.names import check_name, glob_regex, glob_start
from weir.storage.prefixed import PrefixedStorage
from weir.storage.s3_options import S3Options

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/(/?)")
_BUCKET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{2,62}")
_KNOWN = "file:///FOLDER, a plain folder, s3://BUCKET/PREFIX, memory://NAME"


class Resolved(NamedTuple):
    """A path of a user: where it starts, and the object, folder ("" = the root itself) or glob below it."""

    storage: Storage
    name: str


def open_storage(uri: str, s3: S3Options | None = None) -> Storage:
    """The storage of a root. Nothing is contacted or created yet.

    ``s3`` holds what the job says about S3; gaps are filled from ``AWS_*`` variables. Raises ``ConfigError`` for an
    unknown scheme, an impossible bucket or missing keys.
    """
    scheme, rest = _split_scheme(uri)
    if scheme in ("", "file"):
        if scheme == "file" and not rest.startswith("/"):
            raise ConfigError(f"{uri!r} names a host; a local folder has three slashes: file:///{rest}")
        if not rest or "\0" in rest:
            raise ConfigError(f"{uri!r} is not a folder; use {_KNOWN}")
        return LocalStorage(rest)
    place, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if scheme == "memory":
        root = mounted(place)
        return PrefixedStorage(root, prefix) if prefix else root
    if not _BUCKET.fullmatch(place):
        raise ConfigError(f"{uri!r} has no usable bucket name ({place!r}); write s3://BUCKET/PREFIX")
    if prefix:
        check_name(prefix)
    from weir.storage.s3 import S3Storage  # heavy (minio), and needed here only

    return S3Storage(place, prefix, s3 or S3Options())


def join_uri(uri: str, name: str) -> str:
    """The URI of ``name`` below the root ``uri``."""
    return f"{uri.rstrip('/')}/{name}" if name else uri


def absolute_uri(uri: str) -> str:
    """A URI that means the same in every process of this machine: plain folders become ``file:///...``."""
    scheme, rest = _split_scheme(uri)
    return f"file://{os.path.abspath(rest)}" if scheme == "" else uri


def resolve(path: str, s3: S3Options | None = None) -> Resolved:
    """Open the storage that holds ``path`` (file, folder or glob; plain or URI) and name it there.

    A glob is rooted at its longest folder without special characters; any other path at its parent, so that the
    caller may find out by :func:`expand` what it is.
    """
    scheme, rest = _split_scheme(path)
    head = f"{scheme}://" if scheme else ""
    rest = rest.rstrip("/") or "/"
    literal_end = glob_start(rest)
    if literal_end < 0:
        literal_end = len(rest)
    cut = rest.rfind("/", 0, literal_end)
    root, name = (rest[: cut + 1], rest[cut + 1 :]) if cut >= 0 else ("", rest)
    if scheme in ("s3", "memory") and cut < 0:
        root, name = rest, ""
    elif not scheme and (not root or name in (".", "..")):
        root, name = (root or ".", name) if name not in (".", "..") else (rest, "")
    return Resolved(open_storage(head + root, s3), name)


def expand(storage: Storage, name: str) -> Iterator[ObjectInfo]:
    """The objects that ``name`` stands for, sorted: itself, all below that folder, or those its glob matches.

    What has exactly that name comes first: ``run[1]`` is the folder of that name, if there is one.
    """
    if not name:
        yield from storage.list()
        return
    check_name(name)
    try:
        size = storage.size(name)
    except ObjectNotFound:
        size = None
    if size is not None:
        yield next((info for info in storage.list(name) if info.name == name), ObjectInfo(name, size, 0))
        return
    start, below = glob_start(name), False
    for info in storage.list(name + "/"):
        below = True
        yield info
    if below or start < 0:
        return
    pattern = glob_regex(name)
    for info in storage.list(name[:start]):
        if pattern.fullmatch(info.name):
            yield info


def _split_scheme(uri: str) -> tuple[str, str]:
    match = _SCHEME.match(uri)
    if match is None:
        return "", uri
    scheme = match.group(1)
    if scheme.lower() not in ("file", "s3", "memory"):
        raise ConfigError(f"unknown scheme {scheme!r} in {uri!r}; known are {_KNOWN}")
    if not match.group(2) and scheme != "file":
        raise ConfigError(f"{uri!r} lacks a slash; write {scheme}://{uri[match.end() :]}")
    rest = uri[match.end() :] if match.group(2) else "/" + uri[match.end() :]
    return scheme.lower(), rest
