"""The conformance kit for connectors: crash one at each call of its contract, restore, and count rows.

    report = check_sink(make_sink, rows_that_others_see)
    print(report)

``checks`` plans the trials, ``deployment`` runs a job under the real task code in one thread, ``calls`` and ``probed`` kill
it, ``measure`` and ``report`` say what was guaranteed. No port, no process; a connector's own I/O is real.
"""

from weir.testing.conformance.calls import Moment
from weir.testing.conformance.checks import check_sink, check_source
from weir.testing.conformance.measure import Difference, Guarantee
from weir.testing.conformance.report import ConformanceError, Report, Trial, summary

__all__ = [
    "ConformanceError",
    "Difference",
    "Guarantee",
    "Moment",
    "Report",
    "Trial",
    "check_sink",
    "check_source",
    "summary",
]
