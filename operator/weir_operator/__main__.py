"""``python -m weir_operator``: reads settings and the key, says what is wrong with them, and serves until it is told to end."""

from __future__ import annotations

import asyncio
import gc
import os
import sys

from weir_operator.config import read_settings
from weir_operator.errors import PermanentError
from weir_operator.logs import configure_logs

#: A shorter key would be the weakest part of the tokens that derive from it.
_MIN_KEY_BYTES = 32
#: Objects that are made, less those that are gone, until the youngest are looked through for cycles.
_ALLOCATIONS = 20_000


def main() -> int:
    """The exit code: 0 after SIGTERM, 2 for settings that cannot be."""
    try:
        settings = read_settings(os.environ)
        configure_logs(settings.log_level, settings.log_format)
        key = _read_key(settings.key_file)
        from weir_operator.handlers.standing import serve

        # Code and classes stay. What a list of a thousand jobs makes is no garbage, and looking through it again and again is slow.
        gc.freeze()
        gc.set_threshold(_ALLOCATIONS, 20, 20)
        asyncio.run(serve(settings, key))
    except PermanentError as error:
        sys.stderr.write(f"weir_operator: {error}\n")
        return 2
    return 0


def _read_key(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            key = file.read().strip()
    except OSError as error:
        raise PermanentError(
            f"WEIR_OPERATOR_KEY_FILE: {path} cannot be read ({error.strerror}); mount a Secret with at least "
            f"{_MIN_KEY_BYTES} random bytes there"
        ) from error
    if len(key) < _MIN_KEY_BYTES:
        raise PermanentError(
            f"WEIR_OPERATOR_KEY_FILE: {path} holds {len(key)} bytes; at least {_MIN_KEY_BYTES} random ones are needed"
        )
    return key


if __name__ == "__main__":
    sys.exit(main())
