"""mypy reads the API as a user's type checker would: chains keep their types, and mistakes are found where they are."""

from __future__ import annotations

from pathlib import Path

from mypy import api as mypy

HERE = Path(__file__).parent
CONFIG = HERE.parent.parent / "pyproject.toml"


def reports(*files: str) -> list[str]:
    out, err, _ = mypy.run(
        ["--config-file", str(CONFIG), "--no-error-summary", *(str(HERE / file) for file in files)]
    )
    return [*err.splitlines(), *out.splitlines()]


def test_chains_keep_their_types_and_each_mistake_is_reported_at_its_line() -> None:
    mistakes = (HERE / "typed_mistakes.py").read_text().count("# type: ignore[")
    assert mistakes > 20
    assert reports("typed_jobs.py", "typed_mistakes.py") == []


def test_an_ignore_that_nothing_needs_would_be_found(tmp_path: Path) -> None:
    needless = tmp_path / "needless.py"
    needless.write_text("import weir\nprint(weir.__version__.upper())  # type: ignore[attr-defined]\n")
    assert any('Unused "type: ignore" comment' in line for line in reports(str(needless)))
