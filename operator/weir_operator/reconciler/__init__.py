"""Observe, validate, plan, apply: one level-triggered loop for each StreamJob.

``plan`` decides, purely, from the resource and the facts about it; ``actions`` is what it may decide; ``apply`` carries
that out.
"""

from __future__ import annotations
