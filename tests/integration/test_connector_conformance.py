"""Every connector of Weir crashes at each call of its contract and keeps the guarantee that it declares."""

from __future__ import annotations

import itertools
import json
import re
import sys

from tests.support.connector_trials import TABLE, WORDS, sinks, sources
from tests.support.documents import ROOT
from weir import FileSink, FileSource
from weir.storage import open_storage
from weir.testing.conformance import Guarantee, check_sink, check_source, summary

#: Of each method the first and the last call, before and after.
PER_METHOD = 2
PAGE = ROOT / "docs/how-to/test-a-job.md"


def test_what_is_measured_is_what_is_declared_and_what_the_guide_shows(tmp_path, monkeypatch):
    found = list(sources(tmp_path, PER_METHOD))
    with monkeypatch.context() as patched:
        found += sinks(tmp_path, PER_METHOD, lambda buffer: patched.setattr(sys, "stdout", buffer))
    calls = {trial.call for report in found for trial in report.trials}
    assert {"enumerator.discover", "source.restore_enumerator", "committer.abort_leftovers"} <= calls
    assert all(len(report.trials) > 10 for report in found)
    shown = re.search(r"<!-- measured -->\n\n(.*?)\n\n<!-- /measured -->", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == summary(found), "the guide shows what the kit measured"


def test_files_on_s3_are_read_exactly_once(s3):
    storage = open_storage(s3.uri, s3.options)
    for number, share in enumerate((WORDS[:10], WORDS[10:])):
        storage.write(f"in/{number}.txt", "".join(f"{word}\n" for word in share).encode())
    report = check_source(
        lambda: FileSource.for_text_lines(f"{s3.uri}/in", s3=s3.options, split_size="64"),
        WORDS,
        per_method=1,
    )
    assert report.measured is Guarantee.EXACTLY_ONCE


def test_files_on_s3_are_written_exactly_once_and_nothing_is_left_pending(s3):
    numbers = itertools.count()

    def rows(sink):
        storage = open_storage(sink.path, s3.options)
        parts = [info.name for info in storage.list()]
        assert [name for name in parts if not name.startswith("part-")] == [], "leftovers were removed"
        return [json.loads(line) for part in parts for line in storage.read(part).splitlines()]

    report = check_sink(
        lambda: FileSink.for_json_lines(f"{s3.uri}/out-{next(numbers)}", s3=s3.options),
        rows,
        rows=TABLE,
        per_method=1,
    )
    assert report.measured is Guarantee.EXACTLY_ONCE
