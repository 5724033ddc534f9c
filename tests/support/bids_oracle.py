"""The answers of the benchmark queries, by loops over bids that are made with Python's integers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

_MASK = (1 << 64) - 1


class Bid(NamedTuple):
    auction: int
    bidder: int
    price: int
    channel: str
    url: str
    ts: int


def bids(rows: int, auctions: int) -> Iterator[Bid]:
    """All of them, in order."""
    for number in range(rows):
        z = (number + 1) * 0x9E3779B97F4A7C15 & _MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
        h = z ^ z >> 31
        yield Bid(
            1000 + ((h >> 33) * auctions >> 31),
            1000 + ((h >> 13 & 0xFFFFF) * 10_000 >> 20),
            100 + (h & 0xFFF),
            f"channel-{h >> 12 & 3}",
            f"https://auctions.example/item/{h >> 14 & 63}",
            number // 10,
        )


def _windows(ts: int, size: int, slide: int) -> range:
    """The ends of the windows that ``ts`` is in."""
    last = ts - ts % slide + size
    return range(last - size + slide, last + 1, slide)


def _busiest(all_bids: list[Bid]) -> Iterator[tuple]:
    counts = Counter((end, bid.auction) for bid in all_bids for end in _windows(bid.ts, 10_000, 2_000))
    most: dict[int, int] = defaultdict(int)
    for (end, _), count in counts.items():
        most[end] = max(most[end], count)
    # The second window is named by its own end: that of the last millisecond of the first.
    return ((end, count) for end, count in most.items())


def _highest(all_bids: list[Bid]) -> Iterator[tuple]:
    highest: dict[int, int] = defaultdict(int)
    for bid in all_bids:
        for end in _windows(bid.ts, 10_000, 10_000):
            highest[end] = max(highest[end], bid.price)
    return iter(highest.items())


def _per_bidder(all_bids: list[Bid]) -> Iterator[tuple]:
    counts = Counter((bid.bidder, end) for bid in all_bids for end in _windows(bid.ts, 10_000, 10_000))
    return ((bidder, end, count) for (bidder, end), count in counts.items())


def _totals(all_bids: list[Bid]) -> Iterator[tuple]:
    totals: dict[int, int] = defaultdict(int)
    for bid in all_bids:
        totals[bid.auction] += bid.price
        yield bid.auction, totals[bid.auction]


#: By query: rows as tuples, in any order.
ANSWERS: dict[str, Callable[[list[Bid]], Iterator[tuple]]] = {
    "q0": iter,
    "q1": lambda all_bids: (bid._replace(price=bid.price * 0.908) for bid in all_bids),  # type: ignore[arg-type]
    "q2": lambda all_bids: ((bid.auction, bid.price) for bid in all_bids if bid.auction % 123 == 0),
    "q5": _busiest,
    "q7": _highest,
    "q12": _per_bidder,
    "sum": _totals,
}
