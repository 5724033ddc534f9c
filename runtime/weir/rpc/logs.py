"""Logs of the engine's processes: one line an event on stderr, a constant message and ``key=value`` pairs."""

from __future__ import annotations

import logging
import os
import sys

import structlog


def log_to_stderr() -> None:
    """Send this process's log to stderr; ``WEIR_LOG_LEVEL`` (default ``INFO``) is the least level shown."""
    level = logging.getLevelNamesMapping().get(os.environ.get("WEIR_LOG_LEVEL", "INFO").upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.KeyValueRenderer(
                key_order=["timestamp", "level", "event"], drop_missing=True
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
