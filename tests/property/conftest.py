"""One profile for all property tests: no deadlines, since a test never depends on how busy a machine is."""

from hypothesis import settings

settings.register_profile("weir", deadline=None)
settings.load_profile("weir")
