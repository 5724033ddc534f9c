"""Judges whether a store keeps the promises of ``storage.base``: what ``weir doctor storage`` asks before a job trusts it.

``examination`` runs the ``checks`` on objects of their own below one random prefix; ``recording`` remembers them, so that
nothing is left behind; ``race`` has many writers create one object at once. ``probe`` is the short form of a job's start.
"""

from weir.storage.doctor.checks import Extent, Verdict
from weir.storage.doctor.examination import PREFIX, Examination, Finding, examine
from weir.storage.doctor.probe import broken_promise

__all__ = ["PREFIX", "Examination", "Extent", "Finding", "Verdict", "broken_promise", "examine"]
