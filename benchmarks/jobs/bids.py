"""Bids by number, as columns: the same as Flink's side makes, so that any position can be made again.

Numbers are mixed by splitmix64; ten bids share a millisecond of event time, and so a window of ten seconds holds 100,000.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

_CHANNELS = pa.array([f"channel-{number}" for number in range(4)])
_URLS = pa.array([f"https://auctions.example/item/{number}" for number in range(64)])
BIDDERS = 10_000
BIDS_PER_MS = 10


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Of uint64 numbers: uint64."""
    z = numbers + np.uint64(1)
    z *= np.uint64(0x9E3779B97F4A7C15)
    shifted = z >> np.uint64(30)
    z ^= shifted
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= np.right_shift(z, np.uint64(27), out=shifted)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= np.right_shift(z, np.uint64(31), out=shifted)
    return z


def scaled(h: np.ndarray, shift: int, bits: int, count: int) -> np.ndarray:
    """So many ``bits`` of ``h`` behind a shift as numbers from 1000 on, ``count`` of them: by a product, which is cheaper than a remainder."""
    found = h >> np.uint64(shift)
    if shift + bits < 64:
        found &= np.uint64((1 << bits) - 1)
    found *= np.uint64(count)
    found >>= np.uint64(bits)
    found += np.uint64(1000)
    return found.view(np.int64)


def bids(start: int, rows: int, auctions: int) -> pa.RecordBatch:
    """Bids ``start`` to ``start + rows`` over so many auctions."""
    numbers = np.arange(start, start + rows, dtype=np.uint64)
    h = mixed(numbers)
    low = h.astype(np.uint32)
    price = h & np.uint64(0xFFF)
    price += np.uint64(100)
    numbers //= np.uint64(BIDS_PER_MS)
    return pa.RecordBatch.from_arrays(
        [
            scaled(h, 33, 31, auctions),
            scaled(h, 13, 20, BIDDERS),
            price.view(np.int64),
            _dictionary(low, 12, _CHANNELS),
            _dictionary(low, 14, _URLS),
            numbers.view(np.int64),
        ],
        names=["auction", "bidder", "price", "channel", "url", "ts"],
    )


def _dictionary(low: np.ndarray, shift: int, texts: pa.Array) -> pa.Array:
    """Texts by as many bits as there are texts for; each is there, so Arrow need not look."""
    codes = (low >> np.uint32(shift)).astype(np.int8)
    codes &= np.int8(len(texts) - 1)
    return pa.DictionaryArray.from_arrays(codes, texts, safe=False)
