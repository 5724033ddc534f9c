"""What all tests share: golden files with one rewrite flag (``make golden``), and the profiles of property tests."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.commands import weir
from tests.support.minio_process import minio_server
from tests.support.s3_servers import s3
from tests.support.seaweed import seaweed
from weir.serde import allow_pickle, allow_pickle_by

__all__ = ["minio_server", "s3", "seaweed", "weir"]  # fixtures: real S3 servers, the command line

# Whoever starts the tests in the background may have told them to ignore Ctrl-C, which every process under test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


# No deadlines: a test never depends on how busy a machine is. In CI the examples follow from the test alone, so that whether a
# change lands is no matter of luck; everywhere else they are new each time, and find what those did not.
settings.register_profile("weir", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "weir")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="write tests/golden/ anew from what the code gives now; runs only the tests that compare with it",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--rewrite-golden"):
        items[:] = [item for item in items if "golden" in getattr(item, "fixturenames", ())]


@pytest.fixture
def pickle_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A key for pickled state, which this process has for the length of a test, in a file for others."""
    path = tmp_path_factory.mktemp("pickle") / "key"
    path.write_bytes(secrets.token_bytes(32))
    allow_pickle_by(str(path))
    yield path
    allow_pickle(None)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden("plans/wordcount.txt", text)``: the text equals the file of that name below ``tests/golden/``."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"tests/golden/{name} is missing; `make golden` writes it"
        assert text == path.read_text(), f"differs from tests/golden/{name}; `make golden` if it is meant"

    return compare
