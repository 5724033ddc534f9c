"""What ``weir doctor storage`` does: examines a store, shows each finding as it comes, and says whether to trust it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from weir.cli.interruption import terminate_as_interrupt
from weir.cli.main import FAILED
from weir.storage import LocalStorage, Storage, absolute_uri, open_storage
from weir.storage.doctor import Examination, Extent, Finding, examine

_CHECK_WIDTH = 23


class StorageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The answer as ``-o json`` prints it."""

    uri: str
    #: Checkpoints are safe there.
    fit: bool
    #: Promises that the store breaks.
    failed: tuple[str, ...]
    findings: tuple[Finding, ...]
    left_behind: tuple[str, ...]


def examine_storage(uri: str, *, large: bool, json: bool) -> int:
    """Examine the store at ``uri``; the exit code. Raises ``ConfigError`` for a URI that is none, or missing keys."""
    storage = open_storage(absolute_uri(uri))
    extent = Extent() if large else Extent(large_bytes=0)
    if not json:
        click.echo(f"storage {storage.uri}")
    with terminate_as_interrupt(), _as_before(storage):
        found = examine(storage, extent, on_finding=_silent if json else _show)
    if json:
        click.echo(msgspec.json.format(msgspec.json.encode(_facts(found))).decode())
    else:
        click.echo(_conclusion(found))
    return FAILED if found.failed else 0


def _facts(found: Examination) -> StorageFacts:
    return StorageFacts(
        uri=found.uri,
        fit=not found.failed,
        failed=found.failed,
        findings=found.findings,
        left_behind=found.left_behind,
    )


def _show(finding: Finding) -> None:
    milliseconds = f"{finding.milliseconds:,.0f} ms"
    click.echo(
        f"  {finding.verdict:<7}  {finding.check:<{_CHECK_WIDTH}}  {milliseconds:>10}  {finding.said}".rstrip()
    )


def _silent(_: Finding) -> None:
    pass


def _conclusion(found: Examination) -> str:
    if found.failed:
        return f"{found.uri} must not hold checkpoints: it fails {', '.join(found.failed)}"
    return f"{found.uri} may hold checkpoints"


@contextlib.contextmanager
def _as_before(storage: Storage) -> Iterator[None]:
    """A local folder that was not there goes again, with those above it that were not there either."""
    made: list[Path] = []
    if isinstance(storage, LocalStorage):
        made = [folder for folder in (storage.root, *storage.root.parents) if not folder.exists()]
    try:
        yield
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
