"""Profiles of all property tests: no deadlines, since a test never depends on how busy a machine is.

In CI the examples follow from the test alone, so that whether a change lands is no matter of luck; everywhere else they are
new each time, and find what those did not.
"""

import os

from hypothesis import settings

settings.register_profile("weir", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "weir")
