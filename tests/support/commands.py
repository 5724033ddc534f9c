"""The command line in this process, for tests of what it says."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def weir(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``weir("jobs", "-o", "json")``: exit code, stdout and stderr."""
    from weir.cli.main import run_command  # the command line is not small, and few tests want it

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run_command(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call
