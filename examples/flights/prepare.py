"""Writes the example's input: ``python -m examples.flights.prepare FOLDER``.

``FOLDER/flights/2013-01.csv`` to ``2013-12.csv`` and ``FOLDER/carriers/carriers.csv``. A second call changes nothing.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from examples import data


def prepare(folder: Path) -> None:
    """Write the input below ``folder``, all or nothing."""

    def write(unfinished: Path) -> str:
        (unfinished / "carriers").mkdir()
        shutil.copyfile(data.data_folder() / "airlines.csv", unfinished / "carriers" / "carriers.csv")
        with data.flights() as lines:
            return f"{data.split_by_month(lines, unfinished / 'flights')} flights"

    data.write_once(folder, write)


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
