"""Why there is no cluster: something that the machine lacks, or something that went wrong on the way up.

The fixtures turn the first into a skip of one line (a failure in CI), and let the second fail the test.
"""

from __future__ import annotations


class ClusterError(Exception):
    """A step of the cluster's life failed; the message names it and the file to look into."""


class ClusterUnavailable(ClusterError):
    """This machine cannot have a cluster; the message is one line that says what is missing."""
