"""``make demo``: prepares the input, runs the job with checkpoints on, shows the result and checks it."""

from __future__ import annotations

from examples import demo
from examples.flights.check import expected
from examples.flights.prepare import prepare

if __name__ == "__main__":
    demo.main("flights", prepare, expected)
