"""The README and the tutorial, done as they say, in an empty folder, with the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs import generate
from tests.support.documents import ROOT, blocks, shell, write_files
from weir.config import OPTIONS


def test_the_first_job_of_the_readme_gives_the_result_that_the_readme_shows(tmp_path: Path) -> None:
    write_files("README.md", tmp_path)
    commands = [block.text for block in blocks("README.md") if block.language == "sh"][1:]
    assert len(commands) == 1
    [shown] = [block.text for block in blocks("README.md") if block.language == "json"]
    printed = shell(commands[0], tmp_path)
    assert sorted(printed.splitlines()) == sorted(shown.splitlines())


def test_every_command_of_the_tutorial_does_what_the_tutorial_says(tmp_path: Path) -> None:
    document = "docs/tutorial/first-job.md"
    write_files(document, tmp_path)
    install, *commands = [block.text for block in blocks(document) if block.language == "sh"]
    assert "pip install" in install
    printed = [shell(command, tmp_path) for command in commands]
    _, plan, counts, interrupted, inspected, ticks = printed
    assert "uid count" in plan
    assert sorted(map(json.loads, counts.splitlines())) == [["AA", 1], ["UA", 1], ["UA", 2]]
    assert interrupted == ""
    assert ticks.split() == ["20000", "20000"]
    assert "chk-" in inspected
    assert "suspended" in inspected.lower() or "restore" in inspected.lower()
    rows = [
        json.loads(line)
        for part in (tmp_path / "ticks").glob("part-*")
        for line in part.read_text().splitlines()
    ]
    assert sorted(rows) == [[number, number // 10 + 1] for number in range(20_000)]


def run_only_block(document: str, folder: Path) -> str:
    write_files(document, folder)
    [commands] = [block.text for block in blocks(document) if block.language == "sh"]
    return shell(commands, folder)


def test_the_source_of_the_guide_is_read_completely(tmp_path: Path) -> None:
    assert run_only_block("docs/how-to/write-a-source.md", tmp_path).split() == ["3000"]


def test_the_sink_of_the_guide_commits_every_row_once(tmp_path: Path) -> None:
    assert run_only_block("docs/how-to/write-a-sink.md", tmp_path).split() == ["5000", "5000"]


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_page_made_from_code_is_current(page: str) -> None:
    current = (ROOT / "docs/reference" / page).read_text()
    assert current.split() == generate.PAGES[page]().split(), "`make docs` writes it"


def test_every_setting_has_a_description_and_a_default_that_it_accepts() -> None:
    assert [option.key for option in OPTIONS.values() if not option.description.endswith(".")] == []
    kept = {
        option.key: option.kind.show(option.default)
        for option in OPTIONS.values()
        if option.default is not None
    }
    assert [key for key, text in kept.items() if OPTIONS[key].kind.parse(text) != OPTIONS[key].default] == []
