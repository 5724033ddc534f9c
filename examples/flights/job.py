"""A year of departures from New York: who is late, by how much, and from where.

Arguments: a folder with ``flights/`` and ``carriers/`` (made by ``prepare.py``), and a folder for results.

The stream of flights is joined with the full names of the carriers, which are broadcast to every subtask. Flights that left more
than an hour late go to a side output as they pass; all flights are counted by carrier and airport, and each count is written
once, when the year is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from weir import (
    BroadcastProcessFunction,
    FileSink,
    FileSource,
    KeyedProcessFunction,
    ListStateDescriptor,
    MapStateDescriptor,
    OutputTag,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
)

LATE_MINUTES = 60
END_OF_YEAR = int(datetime(2014, 1, 1, tzinfo=UTC).timestamp() * 1000)

CARRIERS = MapStateDescriptor("carriers", str, str)
LATE = OutputTag("late", dict)

Row = dict[str, str]
Flight = dict[str, str | int | None]


def parse(row: Row) -> Flight:
    """What the job needs of a CSV row; a flight without a departure was cancelled."""
    cancelled = row["dep_delay"] in {"", "NA"}
    return {
        "carrier": row["carrier"],
        "flight": row["flight"],
        "origin": row["origin"],
        "dest": row["dest"],
        "scheduled": row["time_hour"],
        "delay": None if cancelled else int(row["dep_delay"]),
    }


class NameCarrier(BroadcastProcessFunction[Flight, Row, Flight]):
    """Adds the carrier's name. A flight that comes before its carrier waits in state, so none goes out unnamed."""

    def open(self, ctx):
        self.waiting = ctx.get_operator_list_state(ListStateDescriptor("waiting", dict))

    def process_element(self, flight, ctx):
        name = ctx.get_broadcast_state(CARRIERS).get(flight["carrier"])
        if name is None:
            self.waiting.add(flight)
        else:
            yield self.named(flight, name, ctx)

    def process_broadcast_element(self, carrier, ctx):
        code, name = carrier["carrier"], carrier["name"]
        ctx.get_broadcast_state(CARRIERS).put(code, name)
        waiting = list(self.waiting.get())
        self.waiting.update([flight for flight in waiting if flight["carrier"] != code])
        for flight in waiting:
            if flight["carrier"] == code:
                yield self.named(flight, name, ctx)

    @staticmethod
    def named(flight, name, ctx):
        flight = {**flight, "carrier_name": name}
        if flight["delay"] is not None and flight["delay"] > LATE_MINUTES:
            ctx.output(LATE, flight)
        return flight


class Summary(KeyedProcessFunction[tuple[str, str], Flight, Flight]):
    """Counts and mean delay of one carrier at one airport, told when event time has passed the year."""

    def open(self, ctx):
        #: (carrier's name, flights, cancelled, minutes of delay)
        self.totals = ctx.get_state(ValueStateDescriptor("totals", tuple[str, int, int, int]))

    def process_element(self, flight, ctx) -> Iterable[Flight] | None:
        totals = self.totals.value()
        if totals is None:
            ctx.timer_service().register_event_time_timer(END_OF_YEAR)
            totals = (flight["carrier_name"], 0, 0, 0)
        name, flights, cancelled, minutes = totals
        delay = flight["delay"]
        self.totals.update((name, flights + 1, cancelled + (delay is None), minutes + (delay or 0)))
        return None

    def on_timer(self, timestamp, ctx):
        carrier, origin = ctx.get_current_key()
        name, flights, cancelled, minutes = self.totals.value()
        departed = flights - cancelled
        yield {
            "carrier": carrier,
            "carrier_name": name,
            "origin": origin,
            "flights": flights,
            "cancelled": cancelled,
            "mean_delay": round(minutes / departed, 2) if departed else None,
        }


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    """The job graph; Weir calls this."""
    source, target = args
    flights = env.from_source(FileSource.for_csv(f"{source}/flights"), name="flights").uid("flights")
    carriers = env.from_source(FileSource.for_csv(f"{source}/carriers"), name="carriers").uid("carriers")

    named = (
        flights.map(parse)
        .uid("parse")
        .connect(carriers.broadcast(CARRIERS))
        .process(NameCarrier())
        .uid("name")
    )
    late = named.get_side_output(LATE)
    late.sink_to(FileSink.for_json_lines(f"{target}/late")).uid("late")

    summary = named.key_by(lambda f: (f["carrier"], f["origin"])).process(Summary()).uid("summary")
    summary.sink_to(FileSink.for_json_lines(f"{target}/summary")).uid("result")
