"""One module for each situation in a job's life; ``plan`` says which of them a pass is in."""

from __future__ import annotations
