"""Each departure from New York with the weather of its hour, in whichever order the two come.

Arguments: a folder with ``flights/`` and ``weather/`` (made by ``prepare.py``), and a folder for results.

Flights and weather reports are connected by airport and hour. A flight whose report has not come waits in state; when event time
has passed its hour by ``PATIENCE``, it waits no longer and leaves by a side output, without weather.
"""

from __future__ import annotations

from datetime import datetime

from weir import (
    FileSink,
    FileSource,
    KeyedCoProcessFunction,
    ListStateDescriptor,
    OutputTag,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
    WatermarkStrategy,
)

HOUR = 3_600_000  # milliseconds
PATIENCE = 3 * HOUR

UNKNOWN = OutputTag("unknown", dict)

Row = dict[str, str]
Key = tuple[str, str]
Fields = dict[str, str | int | float | None]


def number(text: str) -> float | None:
    return None if text in {"", "NA"} else float(text)


def flight_of(row: Row) -> Fields:
    delay = number(row["dep_delay"])
    return {
        "carrier": row["carrier"],
        "flight": row["flight"],
        "origin": row["origin"],
        "dest": row["dest"],
        "hour": row["time_hour"],
        "delay": None if delay is None else int(delay),
    }


def report_of(row: Row) -> Fields:
    return {
        "origin": row["origin"],
        "hour": row["time_hour"],
        "temperature": number(row["temp"]),
        "wind": number(row["wind_speed"]),
        "rain": number(row["precip"]),
        "visibility": number(row["visib"]),
    }


def event_time(row: Row, _: int | None = None) -> int:
    return int(datetime.fromisoformat(row["time_hour"]).timestamp()) * 1000


def place_and_hour(fields: Fields) -> Key:
    return fields["origin"], fields["hour"]


class WithWeather(KeyedCoProcessFunction[Key, Fields, Fields, Fields]):
    """Input 1: flights, input 2: weather reports; the key is an hour at an airport."""

    def open(self, ctx):
        self.report = ctx.get_state(ValueStateDescriptor("report", dict))
        self.waiting = ctx.get_list_state(ListStateDescriptor("waiting", dict))

    def process_element1(self, flight, ctx):
        report = self.report.value()
        if report is None:
            self.waiting.add(flight)
            give_up_later(ctx)
        else:
            yield {**flight, **report}

    def process_element2(self, report, ctx):
        self.report.update(report)
        give_up_later(ctx)
        for flight in self.waiting.get():
            yield {**flight, **report}
        self.waiting.clear()

    def on_timer(self, timestamp, ctx):
        """Nothing more comes for this hour: who still waits goes without, and the state is given back."""
        for flight in self.waiting.get():
            ctx.output(UNKNOWN, flight)
        self.waiting.clear()
        self.report.clear()


def give_up_later(ctx):
    """One timer a key, however often it is set."""
    ctx.timer_service().register_event_time_timer(ctx.timestamp() + PATIENCE)


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    """The job graph; Weir calls this."""
    source, target = args
    # Flights are in the order in which they left, which may be a day behind their schedule.
    scheduled = WatermarkStrategy.for_bounded_out_of_orderness("24h").with_timestamp_assigner(event_time)
    reported = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(event_time)
    # Small splits: a reader takes one month at a time, so both streams go through the year together.
    flights = env.from_source(
        FileSource.for_csv(f"{source}/flights", split_size="64Ki"), scheduled, "flights"
    ).uid("flights")
    reports = env.from_source(
        FileSource.for_csv(f"{source}/weather", split_size="64Ki"), reported, "weather"
    ).uid("weather")

    joined = (
        flights.map(flight_of)
        .uid("parse-flights")
        .connect(reports.map(report_of).uid("parse-weather"))
        .key_by(place_and_hour, place_and_hour)
        .process(WithWeather())
        .uid("join")
    )
    joined.sink_to(FileSink.for_json_lines(f"{target}/flights")).uid("result")
    joined.get_side_output(UNKNOWN).sink_to(FileSink.for_json_lines(f"{target}/unknown")).uid("unknown")
