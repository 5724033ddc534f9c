"""``python -m tests.cluster``: a real Kubernetes for tests, up and down by one command."""

from __future__ import annotations

import sys

from tests.cluster import builder
from tests.cluster.errors import ClusterError


def main(arguments: list[str]) -> int:
    try:
        for module in builder.MODULES:
            if arguments[:1] == ["build"] and module.name in (arguments[1:] or [module.name]):
                print(builder.build(module))
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
