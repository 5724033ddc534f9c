"""Event time and windows: watermark strategies, assigners, triggers, evictors, merging. Data and pure rules.

``operators.windows`` carries out what is said here.
"""

from __future__ import annotations

from weir.windows.watermark_strategy import TimestampAssigner, WatermarkGenerator, WatermarkStrategy

__all__ = ["TimestampAssigner", "WatermarkGenerator", "WatermarkStrategy"]
