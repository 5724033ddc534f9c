"""The flights as they come: a folder that is watched for the files of new months, and running totals of each carrier, airport and month.

Arguments: a folder with ``flights/``, to which files may be added at any time, and a folder for results. Each flight gives one line, the totals up to it. A month is one
file, which one reader reads from top to bottom, so what must come out does not depend on when files came or how often the job was stopped.
"""

from __future__ import annotations

from collections.abc import Iterable

from weir import FileSink, FileSource, KeyedProcessFunction, StreamExecutionEnvironment, ValueStateDescriptor

#: Written with each line. Raise it, build another image, apply it: the lines from there on have the new one.
RELEASE = 1

Row = dict[str, str]
Line = dict[str, str | int]


class Totals(KeyedProcessFunction[tuple[str, str, str], Row, Line]):
    """Flights, cancelled flights and minutes of delay so far."""

    def open(self, ctx):
        self.totals = ctx.get_state(ValueStateDescriptor("totals", tuple[int, int, int]))

    def process_element(self, flight, ctx) -> Iterable[Line]:
        flights, cancelled, minutes = self.totals.value() or (0, 0, 0)
        if flight["dep_delay"] in {"", "NA"}:
            cancelled += 1
        else:
            minutes += int(flight["dep_delay"])
        flights += 1
        self.totals.update((flights, cancelled, minutes))
        carrier, origin, month = ctx.get_current_key()
        yield {
            "carrier": carrier,
            "origin": origin,
            "month": month,
            "flights": flights,
            "cancelled": cancelled,
            "minutes": minutes,
            "release": RELEASE,
        }


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    """The job graph; Weir calls this."""
    source, target = args
    files = FileSource.for_csv(f"{source}/flights").monitor_continuously("1s")
    flights = env.from_source(files, name="flights").uid("flights")
    totals = flights.key_by(lambda f: (f["carrier"], f["origin"], f["month"])).process(Totals()).uid("totals")
    totals.sink_to(FileSink.for_json_lines(target)).uid("lines")
