"""Keyed state on the local disk, in RocksDB: state may exceed memory, and checkpoints upload only files that are new.

``store`` is the backend: decoded values are cached and changes gathered in layers (``weir.state.layered``), so that the
database is asked only for what is not in memory and written in slices between batches. ``database`` wraps rocksdict,
``keys`` and ``records`` spell what lies in it, ``bases`` join the two. Only here is rocksdict imported.
"""
