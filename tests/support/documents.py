"""What documents show, taken out of them to be run: files named in the text, and blocks of shell commands."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
SECONDS = 240

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: Up to what ends a command or begins a comment.
#: Commands that may be told the name ``weir``.
_OTHERS = ("helm ", "kubectl ")
_WEIR = re.compile(r"(?:^|[\s/])weir ([^|>&#;\n]+)", re.MULTILINE)
_STOPPED_BY_THE_CLOCK = re.compile(r"timeout --signal=INT \d+ (.+?) \|\| true\n")
_FILE = re.compile(r"`([\w/.-]+\.(?:py|yaml))`")


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    #: The file that the text before it named last.
    file: str | None


def blocks(document: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    text = (ROOT / document).read_text()
    found = []
    for match in _BLOCK.finditer(text):
        outside = _BLOCK.sub("", text[: match.start()])
        named = _FILE.findall(outside)
        found.append(Block(match[1], match[2], named[-1] if named else None))
    return found


def pages() -> list[str]:
    """Every document, by its path below the root."""
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def weir_commands(text: str) -> list[list[str]]:
    """The words behind ``weir`` of each command in lines of a shell."""
    plain = re.sub(r"\$\([^)]*\)", "PATH", text.replace("\\\n", " "))
    own = "\n".join(line for line in plain.splitlines() if not line.lstrip().startswith(_OTHERS))
    return [shlex.split(words) for words in _WEIR.findall(own)]


def commands_in_sentences(document: str) -> list[list[str]]:
    """Those that stand in the text, where arguments may be left out."""
    outside = _BLOCK.sub("", (ROOT / document).read_text())
    named = re.findall(r"`(weir [^`]+)`", outside)
    return [words for text in named for words in weir_commands(text)]


def section(document: str, heading: str) -> str:
    """The text below a heading, up to the next one of any level."""
    match = re.search(
        rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE
    )
    assert match, f"{document} has no section {heading!r}"
    return match[1]


def shell(script: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a block as its reader does, in a folder where ``weir`` is installed; its stdout."""
    ended = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=_where_weir_is(folder) | (environment or {}),
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, f"{script}\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
    return ended.stdout


def interrupted(script: str, folder: Path, when: Callable[[], object], what: str) -> str:
    """Run the one command of a block that stops it by ``timeout``, and press Ctrl-C not by the clock but when something holds; its stdout."""
    match = _STOPPED_BY_THE_CLOCK.fullmatch(script)
    assert match, f"not a command that timeout stops: {script}"
    process = subprocess.Popen(
        ["bash", "-e", "-c", f"exec {match[1]}"],
        cwd=folder,
        env=_where_weir_is(folder),
        text=True,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_for(when, what)
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=SECONDS)[0]
    finally:
        process.kill()
        process.wait()


def _where_weir_is(folder: Path) -> dict[str, str]:
    if not (folder / ".venv").exists():
        (folder / ".venv").symlink_to(BIN.parent)
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}


def write_files(document: str, folder: Path) -> None:
    """The Python and YAML files that the document shows."""
    for block in blocks(document):
        if block.language in ("python", "yaml"):
            assert block.file is not None, (
                f"{document}: a {block.language} block without a file's name before it"
            )
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
