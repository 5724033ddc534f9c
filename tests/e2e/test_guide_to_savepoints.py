"""The page about savepoints, run as its reader runs it: every file and every command, in order."""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.e2e.stage import Stage
from tests.support.documents import blocks, shell, write_files

GUIDE = "docs/how-to/keep-savepoints-with-kubectl.md"


def test_every_command_of_the_page_does_what_it_says(stage: Stage, tmp_path: Path) -> None:
    stage.apply(stage.counting("counts", rows=100_000, rate=100))
    stage.wait_condition("counts", "Ready")
    write_files(GUIDE, tmp_path)
    environment = {"PATH": f"{_kubectl(stage, tmp_path)}:/usr/bin:/bin"}
    said = [shell(block.text, tmp_path, environment) for block in blocks(GUIDE) if block.language == "sh"]
    taken, by_nonce, _, listed, _, _ = said
    path = taken.splitlines()[-1].split()
    assert "before-the-change" in path
    assert any(word.startswith("s3://") for word in path), taken
    assert stage.read_metadata(by_nonce.splitlines()[-1])
    assert {line.split()[1] for line in listed.splitlines()[1:]} == {"Completed"}
    gone = next(word for word in path if word.startswith("s3://")).rsplit("/", 1)[1]
    assert stage.objects(f"counts/savepoints/{gone}/") == []


def _kubectl(stage: Stage, folder: Path) -> Path:
    """A folder with a ``kubectl`` that speaks to this stage."""
    program = folder / "bin" / "kubectl"
    program.parent.mkdir()
    command = shlex.join(stage.cluster.command("-n", stage.namespace))
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(0o755)
    return program.parent
