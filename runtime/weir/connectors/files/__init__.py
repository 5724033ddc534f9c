"""Rows in files, on local folders and S3: a source with exact positions, a sink with two-phase commit."""

from weir.connectors.files.overlap import refuse_overlap
from weir.connectors.files.sink import FileSink
from weir.connectors.files.source import FileSource

__all__ = ["FileSink", "FileSource", "refuse_overlap"]
