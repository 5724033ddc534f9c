"""Where rows come from and go to: the extension points, and the connectors that come with Weir.

``source`` and ``sink`` are contracts for everybody; ``collection``, ``datagen``, ``collect``, ``print_sink`` and
``files`` fulfil them. Whether a path is local or ``s3://`` is decided when a job runs, so importing this room
loads no S3 client.
"""

from weir.connectors.collect import CollectSink
from weir.connectors.collection import CollectionSource
from weir.connectors.datagen import DataGeneratorSource
from weir.connectors.files import FileSink, FileSource, refuse_overlap
from weir.connectors.print_sink import PrintSink
from weir.connectors.sink import Committer, Sink, Writer, WriterContext
from weir.connectors.source import (
    Assignment,
    EnumeratorContext,
    Fetched,
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
    "DataGeneratorSource",
    "FileSink",
    "FileSource",
    "PrintSink",
    # checks
    "refuse_overlap",
]
