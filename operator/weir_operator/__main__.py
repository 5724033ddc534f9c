"""``python -m weir_operator``: the image's second entry point. The operator itself comes with a later release."""

from __future__ import annotations

import sys


def main() -> int:
    """Say that there is no operator yet; the exit code."""
    sys.stderr.write(
        "weir_operator: this release holds no operator yet, only the engine; `weir run FILE.yaml` runs a StreamJob here, "
        "`weir serve` its processes\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
