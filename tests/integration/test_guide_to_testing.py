"""The guide to testing, done as it says: its files, its command."""

from __future__ import annotations

from tests.support.documents import blocks, shell, write_files

GUIDE = "docs/how-to/test-a-job.md"


def test_the_tests_of_the_guide_pass(tmp_path):
    write_files("docs/how-to/write-a-sink.md", tmp_path)
    write_files(GUIDE, tmp_path)
    [command] = [block.text for block in blocks(GUIDE) if block.language == "sh"]
    printed = shell(command, tmp_path)
    assert "9 passed" in printed
    assert "LedgerSink: measured exactly once, declared exactly once" in printed
    assert "| committer.commit " in printed
