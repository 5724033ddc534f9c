"""The README, the tutorial and the guides, done as they say; what is shown on any page is at least possible."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import click
import pytest

from docs import generate
from tests.support.documents import (
    ROOT,
    blocks,
    commands_in_sentences,
    interrupted,
    pages,
    shell,
    weir_commands,
    write_files,
)
from weir.cli.main import weir as weir_command
from weir.cli.resource import read_resource
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
    look, show, count, start, inspect, go_on = commands
    shell(look, tmp_path)
    plan, counts = shell(show, tmp_path), shell(count, tmp_path)
    stopped = interrupted(
        start,
        tmp_path,
        lambda: list(tmp_path.glob("checkpoints/*/chk-*/_metadata")),
        "a checkpoint was completed",
    )
    inspected, ticks = shell(inspect, tmp_path), shell(go_on, tmp_path)
    assert "uid count" in plan
    assert sorted(map(json.loads, counts.splitlines())) == [["AA", 1], ["UA", 1], ["UA", 2]]
    assert stopped == ""
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


def test_the_windows_of_the_guide_give_what_it_shows(tmp_path: Path) -> None:
    page = "docs/how-to/use-windows.md"
    [shown] = [block.text for block in blocks(page) if block.language == "json"]
    assert sorted(run_only_block(page, tmp_path).splitlines()) == sorted(shown.splitlines())


@pytest.mark.parametrize("page", pages())
def test_a_page_shows_python_that_compiles_resources_that_are_accepted_and_commands_that_exist(
    page: str, tmp_path: Path
) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, f"{page}: {block.file}", "exec")
        elif block.language == "yaml" and "kind: StreamJob\n" in block.text:
            (tmp_path / "job.yaml").write_text(block.text)
            read_resource(str(tmp_path / "job.yaml"))
        elif block.language == "sh":
            bash = ["bash", "-n", "-c", block.text]
            assert subprocess.run(bash, check=False).returncode == 0, f"{page}: {block.text}"
            for words in weir_commands(block.text):
                assert usage_error(words) is None, f"{page}: weir {' '.join(words)}"
    for words in commands_in_sentences(page):
        if "..." not in words:
            assert usage_error(words, complete=False) is None, f"{page}: weir {' '.join(words)}"


def usage_error(words: list[str], *, complete: bool = True) -> str | None:
    """What ``weir`` has against a command line, without running it; files need not exist."""
    command: click.Command = weir_command
    # With its own settings: click keeps the help option that is asked for first.
    context = click.Context(command, info_name="weir", **weir_command.context_settings)
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            return None
        below = command.get_command(context, words[0])
        if below is None:
            return f"there is no command {words[0]}"
        command, words = below, words[1:]
    try:
        command.make_context("weir", list(words), parent=context)
    except click.NoSuchOption as error:
        return str(error)
    except click.MissingParameter as error:
        return str(error) if complete else None
    except (click.BadParameter, click.exceptions.Exit):
        return None  # a placeholder, or --help
    except click.UsageError as error:
        return str(error) if complete else None
    return None


@pytest.mark.parametrize("words", ["savepoint", "stop visits --drian", "stopp visits", "status visits now"])
def test_wrong_commands_would_be_found(words: str) -> None:
    assert usage_error(words.split()) is not None


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
