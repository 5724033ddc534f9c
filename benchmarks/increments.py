"""What an incremental checkpoint of RocksDB state stores when one key in a hundred changed, beside a full one.

``python benchmarks/increments.py [--keys N] [--value-bytes N] [--rounds N] [--memory BYTES]``: fills keyed state, then changes a
hundredth of the keys, drawn anew each round, and takes an increment; bytes are what would be uploaded. At the end a full snapshot
is taken, and the newest increment restored.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time

from weir.config import StateBackendOptions, StateBackendType
from weir.state import KeyCell, ValueStateDescriptor
from weir.state.backend import backend_for
from weir.state.keyed_place import KeyedPlace
from weir.state.native import NativeKeyed
from weir.state.snapshot import object_handle

VALUE = ValueStateDescriptor("value", bytes)


class Uploads:
    """Counts what is stored, and keeps it."""

    def __init__(self):
        self.files = {}
        self.bytes = 0

    def __call__(self, name, data):
        path = f"shared/{len(self.files)}/{name}"
        self.files[path] = data
        self.bytes += len(data)
        return object_handle(path, data)


def tend_until_idle(store):
    for _ in range(1_000_000):
        if not store.tend():
            return


def change(store, cell, handle, keys, size):
    """As a worker does: batches of rows, and a slice of draining between two."""
    for count, key in enumerate(keys, 1):
        cell.key = key
        handle.update(os.urandom(size))
        if count % 1000 == 0:
            store.tend()


def increment(store, uploads):
    before, began = uploads.bytes, time.perf_counter()
    snapshot = store.begin_snapshot()
    synchronous = time.perf_counter() - began
    made = snapshot.increment(uploads)
    snapshot.release()
    data = b"".join(made.pieces)
    whole = time.perf_counter() - began
    restorable = NativeKeyed(data, made.shared, lambda handle: uploads.files[handle.path], True)
    return restorable, uploads.bytes - before + len(data), synchronous, whole


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=300_000)
    parser.add_argument("--value-bytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--memory", type=int, default=256 * 2**20)
    given = parser.parse_args()
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        options = StateBackendOptions(
            StateBackendType.ROCKSDB, local_directory=folder, memory=given.memory, incremental=True
        )
        backend = backend_for(options)
        place = KeyedPlace("benchmark", "ab" * 16, 0, 128, range(128))
        cell = KeyCell()
        store = backend.open(cell, place)
        handle = store.get_state(VALUE)
        uploads = Uploads()
        change(store, cell, handle, range(given.keys), given.value_bytes)
        tend_until_idle(store)
        _, first, synchronous, whole = increment(store, uploads)
        print(
            f"first     {first / 1e6:9.1f} MB stored  sync {synchronous * 1000:6.2f} ms  all {whole:6.2f} s"
        )
        shares, pauses = [], [synchronous]
        for number in range(given.rounds):
            keys = draw.sample(range(given.keys), given.keys // 100)
            change(store, cell, handle, keys, given.value_bytes)
            made, stored, synchronous, whole = increment(store, uploads)
            tend_until_idle(store)
            shares.append(stored / first)
            pauses.append(synchronous)
            print(
                f"round {number + 1:3} {stored / 1e6:9.1f} MB stored = {shares[-1]:6.1%}  "
                f"sync {synchronous * 1000:6.2f} ms  all {whole:6.2f} s  {len(made.shared)} files"
            )
        print(
            f"median {statistics.median(shares):.1%}, mean {statistics.mean(shares):.1%}, longest sync {max(pauses) * 1000:.2f} ms"
        )
        began = time.perf_counter()
        data = store.snapshot()
        print(f"full      {len(data) / 1e6:9.1f} MB stored  all {time.perf_counter() - began:6.2f} s")
        store.close()
        began = time.perf_counter()
        again = backend.open(KeyCell(), place)
        again.restore([made])
        again.get_state(VALUE)
        print(f"restore   {time.perf_counter() - began:6.2f} s (files in memory)")
        again.close()


if __name__ == "__main__":
    main()
