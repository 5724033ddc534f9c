"""Facts to answers: pure functions, held by golden files. Nothing here waits, asks or reads a clock."""

__all__: list[str] = []
