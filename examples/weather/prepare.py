"""Writes the example's input: ``python -m examples.weather.prepare FOLDER``.

``FOLDER/flights/2013-01.csv`` to ``2013-12.csv``, in the order of departure, and as many files in ``FOLDER/weather``, in the order
of the hours, as weather stations report. A second call changes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from examples import data

YEAR = range(1, 13)


def prepare(folder: Path, months: range = YEAR) -> None:
    """Write the input of these months below ``folder``, all or nothing."""

    def write(unfinished: Path) -> str:
        with data.flights() as lines:
            flights = data.split_by_month(lines, unfinished / "flights", months)
        with open(data.data_folder() / "weather.csv", encoding="utf-8") as file:
            header, *reports = file
        hour = header.rstrip().split(",").index("time_hour")
        reports.sort(key=lambda report: report.rstrip().split(",")[hour])
        written = data.split_by_month([header, *reports], unfinished / "weather", months)
        return f"{flights} flights and {written} weather reports"

    data.write_once(folder, write)


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
