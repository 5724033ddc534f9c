from __future__ import annotations

import pytest

from weir.connectors import CollectionSource, FileSink, FileSource, PrintSink, refuse_overlap
from weir.errors import UserError


@pytest.mark.parametrize(
    ("source", "target", "overlaps"),
    [
        ("/data/in", "/data/in", True),
        ("/data/in/", "/data/in/out", True),
        ("/data/in", "file:///data/in/../in/out", True),
        ("/data/in", "/data/input", False),
        ("/data/in", "/data", False),
        ("/data/in", "/data/in/_out", False),
        ("/data/in/a.csv", "/data/in", False),
        ("/data/*/*.jsonl", "/data/out", True),
        ("/data/*/*.csv", "/data/out", True),
        ("/data/**", "/data/a/b", True),
        ("/data/*.csv", "/data/out", False),
        ("/data/in-*", "/data/out", False),
        ("/data/in[1]", "/data/in[1]/out", True),
        ("/data/in[1]", "/data/in1/out", False),
        ("/data/in[1]/*", "/data/in1", True),
        ("/data/in[z-a]", "/data/out", False),
        ("s3://b/in", "s3://b/in/out", True),
        ("s3://b/in", "s3://c/in/out", False),
        ("s3://b/in", "/in/out", False),
        ("relative/in", "relative/in", True),
    ],
)
def test_a_job_must_not_read_what_it_writes(source, target, overlaps):
    sources = [CollectionSource([]), FileSource.for_text_lines(source)]
    sinks = [PrintSink(), FileSink.for_json_lines(target)]
    if not overlaps:
        refuse_overlap(sources, sinks)
        return
    with pytest.raises(UserError, match="would read its own output"):
        refuse_overlap(sources, sinks)
