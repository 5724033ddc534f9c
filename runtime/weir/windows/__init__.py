"""Event time: watermark strategies (and, with a later release, window assigners and triggers). Data and pure rules."""

from __future__ import annotations

from weir.windows.watermark_strategy import TimestampAssigner, WatermarkGenerator, WatermarkStrategy

__all__ = ["TimestampAssigner", "WatermarkGenerator", "WatermarkStrategy"]
