"""Object names: which ones are legal, and how a glob is matched against them.

A name comes from a manifest, a user's path or our own code and ends up in ``open()`` or in a URL, so every
storage passes it through :func:`check_name` first. ``local``, ``s3`` and ``memory`` take over from there.
"""

from __future__ import annotations

import re

from weir.errors import ConfigError, StorageError

#: S3 allows no longer keys.
MAX_NAME_BYTES = 1024


def check_name(name: str) -> str:
    """Return ``name`` if it is a relative object name without tricks, else raise ``StorageError``."""
    fault = _fault(name, name.split("/"))
    if fault is not None:
        raise StorageError(f"object name {name!r} is refused: {fault}; use a relative name such as 'a/b'")
    return name


def check_prefix(prefix: str) -> str:
    """Like :func:`check_name` for the prefix of a listing, which may be empty or end anywhere in a name."""
    if not prefix:
        return prefix
    parts = prefix.split("/")
    fault = _fault(prefix, parts[:-1] if len(parts) > 1 and parts[-1] in ("", ".") else parts)
    if fault is not None:
        raise StorageError(f"prefix {prefix!r} is refused: {fault}; use a relative prefix such as 'a/b'")
    return prefix


def _fault(name: str, parts: list[str]) -> str | None:
    if not name:
        return "it is empty"
    if name.startswith("/"):
        return "it is absolute"
    if "\0" in name:
        return "it holds a NUL character"
    if ".." in parts:
        return "it leaves its root by '..'"
    if "" in parts or "." in parts:
        return "it has an empty part or a '.'"
    if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes"
    return None


def glob_start(pattern: str) -> int:
    """Index of the first character with a meaning in a glob, or -1."""
    match = re.search(r"[*?\[]", pattern)
    return match.start() if match else -1


def glob_regex(pattern: str) -> re.Pattern[str]:
    """A glob as a regular expression: ``*`` and ``?`` stay within one part, ``**`` does not. Raises ``ConfigError``."""
    out = ""
    at = 0
    while at < len(pattern):
        piece, at = _translate(pattern, at)
        out += piece
    try:
        return re.compile(out, re.DOTALL)
    except re.error as error:
        raise ConfigError(
            f"{pattern!r} is no glob ({error.msg}): between [ and ] stand characters, or ranges such as a-z from the smaller to "
            "the larger; a character with a meaning of its own is written in brackets, such as [[]"
        ) from None


def _translate(pattern: str, at: int) -> tuple[str, int]:
    if pattern.startswith("**/", at):
        return "(?:.*/)?", at + 3
    if pattern.startswith("**", at):
        return ".*", at + 2
    if pattern[at] == "*":
        return "[^/]*", at + 1
    if pattern[at] == "?":
        return "[^/]", at + 1
    negated = pattern[at + 1 : at + 2] in ("!", "^")
    first = at + 1 + negated
    if pattern[at] == "[" and (close := pattern.find("]", first + 1)) > 0:
        chars = re.sub(r"[\\\[\]&|~]", r"\\\g<0>", pattern[first:close])
        return f"(?!/)[{'^' if negated else ''}{chars}]", close + 1
    return re.escape(pattern[at]), at + 1
