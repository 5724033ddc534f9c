"""The parts behind ``FileSink``: ``encoders`` turn rows into bytes, ``parts`` are files that become visible later."""
