"""``python -m tests.image``: builds the image of this checkout, by docker or buildah, and says how large it is."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.image.building import IMAGE, build
from tests.image.errors import ImageError


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__)
    parser.add_argument("--tag", default=IMAGE, help="name of the image (default: %(default)s)")
    parser.add_argument("--base", help="image to start from; default: WEIR_IMAGE_BASE, or the engine's")
    parser.add_argument(
        "--engine", choices=("docker", "buildah"), help="default: docker where its engine answers"
    )
    parser.add_argument("--archive", type=Path, help="also write the image to this file, as docker save does")
    asked = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        built = build(asked.tag, base=asked.base, engine=asked.engine)
        print(f"{built} in {time.monotonic() - began:.0f} s")
        if asked.archive is not None:
            built.engine.save(built.image, asked.archive)
            print(f"{asked.archive}: {asked.archive.stat().st_size:,} bytes")
    except ImageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
