"""``python -m examples.weather``: prepares the input, runs the job with checkpoints on, shows the result and checks it."""

from __future__ import annotations

from examples import demo
from examples.weather.check import expected
from examples.weather.prepare import prepare

if __name__ == "__main__":
    demo.main("weather", prepare, expected)
