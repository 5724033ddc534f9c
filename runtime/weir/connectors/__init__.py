"""Where rows come from and go to: the extension points, and the connectors that come with Weir.

``source`` and ``sink`` are contracts for everybody; ``collection``, ``datagen``, ``collect``, ``print_sink`` and
``files`` fulfil them. Whether a path is local or ``s3://`` is decided when a job runs, so importing this room
loads no S3 client.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weir.connectors.collect import CollectSink
    from weir.connectors.collection import CollectionSource
    from weir.connectors.column_datagen import ColumnGeneratorSource
    from weir.connectors.datagen import DataGeneratorSource
    from weir.connectors.files import FileSink, FileSource, refuse_overlap
    from weir.connectors.print_sink import PrintSink
    from weir.connectors.sink import Committer, Sink, Writer, WriterContext
    from weir.connectors.source import (
        Assignment,
        EnumeratorContext,
        Fetched,
        Pending,
        ReaderContext,
        Source,
        SplitEnumerator,
        SplitReader,
    )

__all__ = [
    # contracts of sources
    "Assignment",
    "EnumeratorContext",
    "Fetched",
    "Pending",
    "ReaderContext",
    "Source",
    "SplitEnumerator",
    "SplitReader",
    # contracts of sinks
    "Committer",
    "Sink",
    "Writer",
    "WriterContext",
    # connectors
    "CollectSink",
    "CollectionSource",
    "ColumnGeneratorSource",
    "DataGeneratorSource",
    "FileSink",
    "FileSource",
    "PrintSink",
    # checks
    "refuse_overlap",
]

#: Which module each name is loaded from, when it is first asked for: a worker needs few of them.
_MODULES = {
    "CollectSink": "weir.connectors.collect",
    "CollectionSource": "weir.connectors.collection",
    "ColumnGeneratorSource": "weir.connectors.column_datagen",
    "DataGeneratorSource": "weir.connectors.datagen",
    "FileSink": "weir.connectors.files",
    "FileSource": "weir.connectors.files",
    "refuse_overlap": "weir.connectors.files",
    "PrintSink": "weir.connectors.print_sink",
    "Committer": "weir.connectors.sink",
    "Sink": "weir.connectors.sink",
    "Writer": "weir.connectors.sink",
    "WriterContext": "weir.connectors.sink",
    "Assignment": "weir.connectors.source",
    "EnumeratorContext": "weir.connectors.source",
    "Fetched": "weir.connectors.source",
    "Pending": "weir.connectors.source",
    "ReaderContext": "weir.connectors.source",
    "Source": "weir.connectors.source",
    "SplitEnumerator": "weir.connectors.source",
    "SplitReader": "weir.connectors.source",
}


def __getattr__(name: str) -> Any:
    """Load a connector or contract."""
    if name not in _MODULES:
        raise AttributeError(f"module 'weir.connectors' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
