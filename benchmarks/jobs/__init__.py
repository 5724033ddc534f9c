"""Jobs that the benchmarks run: of Weir, and of its peers."""
