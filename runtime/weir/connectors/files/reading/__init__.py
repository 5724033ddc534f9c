"""The parts behind ``FileSource``: ``enumerator`` finds files, ``reader`` turns byte ranges of them into rows."""
