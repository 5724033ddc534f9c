"""Snapshots as resources: which the operator asks for (``timetable``), which it keeps (``retention``), and what becomes of
one StreamJobSnapshot (``plan``: ``taking``, then ``disposing``).

All of it decides and nothing more. ``reconciler.snapshot`` observes, writes the status and acts.
"""

from __future__ import annotations
