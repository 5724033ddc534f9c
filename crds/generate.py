"""Writes the CustomResourceDefinitions and the policies beside them from the operator's classes: ``make crds``.

Into this folder and into the Helm chart, which keeps copies. A test compares all of them with what would be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from weir_operator.models import crd, policies

ROOT = Path(__file__).parent.parent
FOLDERS = ("crds", "charts/weir-operator/files/crds")


def files() -> Iterator[tuple[Path, str]]:
    """Each file and its text; only folders that exist."""
    for folder in FOLDERS:
        if (ROOT / folder).is_dir():
            yield from ((ROOT / folder / name, text) for name, text in crd.files().items())
    for name in ("crds/policies.yaml", "charts/weir-operator/files/policies.yaml"):
        yield ROOT / name, policies.text()


def main() -> None:
    """Write them and say which."""
    for path, text in files():
        path.write_text(text)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
