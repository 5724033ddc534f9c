"""State in layers: a cache of decoded values on top, changes since some moments below it, a base at the bottom.

A snapshot is a cut: what changed so far becomes a layer that nobody writes to any more, at the cost of one assignment. It is
encoded beside the processing and later drained into the base, in slices between batches. The base is a RocksDB database
(``weir.state.rocksdb``) or, while a snapshot of the heap is being written, the heap's own table.
"""

from weir.state.layered.flat import ABSENT, FlatTable
from weir.state.layered.lists import ListTable, Run
from weir.state.layered.maps import MapChange, MapTable

__all__ = ["ABSENT", "FlatTable", "ListTable", "MapChange", "MapTable", "Run"]
