"""Flink's window operator in plain Python: one key, rows in lists, its ``ContinuousEventTimeTrigger`` built in."""

from __future__ import annotations

from dataclasses import dataclass, field

from weir.records import MIN_TIMESTAMP

Window = tuple[int, int]


@dataclass
class FlinksWindows:
    """``gap`` of 0: windows of ``size`` each ``slide``, else sessions. Is told rows and watermarks in order."""

    size: int
    slide: int
    gap: int
    lateness: int
    interval: int
    watermark: int = MIN_TIMESTAMP
    rows: dict[Window, list[int]] = field(default_factory=dict)
    timers: set[tuple[int, Window]] = field(default_factory=set)
    fires: dict[Window, int] = field(default_factory=dict)
    #: Of sessions: where the rows of each are.
    mapping: dict[Window, Window] = field(default_factory=dict)
    results: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)

    def row(self, value: int, time: int) -> None:
        """``on_element`` for each window of the row."""
        for own in self._windows(time):
            window = self._merged(own) if self.gap else own
            if self._cleanup(window) <= self.watermark:
                self.mapping.pop(window, None)
                continue
            self.rows.setdefault(self._place(window), []).append(value)
            if window[1] - 1 <= self.watermark:
                self._give(window)
            else:
                self.timers.add((window[1] - 1, window))
                if window not in self.fires:
                    self._set(time - time % self.interval, window)
            self.timers.add((self._cleanup(window), window))

    def advance(self, watermark: int) -> None:
        """Timers in the order of their times."""
        self.watermark = watermark
        while due := [timer for timer in self.timers if timer[0] <= watermark]:
            time, window = min(due)
            self.timers.discard((time, window))
            if self.gap and window not in self.mapping:
                continue
            if time == window[1] - 1:
                self._give(window)
            elif self.fires.get(window) == time:
                del self.fires[window]
                self._set(time, window)
                self._give(window)
            if time == self._cleanup(window):
                self.rows.pop(self._place(window), None)
                self.mapping.pop(window, None)
                self.fires.pop(window, None)
                self.timers = {timer for timer in self.timers if timer[1] != window}

    def _windows(self, time: int) -> list[Window]:
        if self.gap:
            return [(time, time + self.gap)]
        last = time - time % self.slide
        return [(start, start + self.size) for start in range(last, time - self.size, -self.slide)]

    def _cleanup(self, window: Window) -> int:
        return window[1] - 1 + self.lateness

    def _place(self, window: Window) -> Window:
        return self.mapping[window] if self.gap else window

    def _merged(self, window: Window) -> Window:
        near = [each for each in self.mapping if each[0] <= window[1] and each[1] >= window[0]]
        result = (
            min([window[0], *(each[0] for each in near)]),
            max([window[1], *(each[1] for each in near)]),
        )
        places = [self.mapping.pop(each) for each in near]
        self.mapping[result] = places[0] if places else result
        if near and near != [result]:
            fires = [self.fires.pop(each) for each in near if each in self.fires]
            # Its state is merged by now, so that the trigger does not know any more when it was to fire: those timers stay.
            self.timers -= {(time, each) for each in near for time in (each[1] - 1, self._cleanup(each))}
            if result[1] - 1 > self.watermark:
                self.timers.add((result[1] - 1, result))
            if fires:
                self.fires[result] = min(fires)
                self.timers.add((min(fires), result))
            for place in places[1:]:
                self.rows.setdefault(places[0], []).extend(self.rows.pop(place, []))
        return result

    def _set(self, start: int, window: Window) -> None:
        time = min(start + self.interval, window[1] - 1)
        self.fires[window] = time
        self.timers.add((time, window))

    def _give(self, window: Window) -> None:
        rows = self.rows.get(self._place(window))
        if rows:
            self.results.append((window[1] - 1, tuple(sorted(rows))))
