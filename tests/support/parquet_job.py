"""Columns of Parquet files, summed and written out exactly once; the source waits in the middle of each file for a gate."""

from __future__ import annotations

import os
import time

from weir import FileSink, FileSource, StreamExecutionEnvironment, Sum, col

ROWS_AT_ONCE = 700


class Gated(FileSource):
    """Gives few rows at a time, and none after a third of a file until the gate is there."""

    def create_reader(self, context):
        reader = super().create_reader(context)
        fetch, given = reader.fetch, 0

        def held() -> bool:
            return given > 20 * ROWS_AT_ONCE and not os.path.exists(f"{self.path}.gate")

        def gated(most):
            nonlocal given
            if held():
                return None
            fetched = fetch(ROWS_AT_ONCE)
            given += 0 if fetched is None else len(fetched.values)
            return fetched

        reader.fetch = gated
        reader.next_fetch_at = lambda: time.monotonic() + 0.05 if held() else None
        return reader


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    files, target = args
    plain = FileSource.for_parquet(files, ["number", "auction", "price"])
    source = Gated(plain.path, plain._format, split_size="64k")
    rows = env.from_columns(source, name="files").uid("files").filter(col("price") % 2 == 0)
    totals = rows.key_by("auction").aggregate(Sum("price", name="total")).uid("totals")
    totals.to_rows("number", "auction", "total").sink_to(FileSink.for_json_lines(target)).uid("out")
