"""What a sampled stack of the data thread was busy with: user code, state, serialisation, network, or the engine itself. Pure.

The innermost frame that belongs to anybody decides; those of the standard library and of installed packages work for
who called them. An operator that is in an installed package has called user code there.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final

USER, STATE, SERIALISATION, NETWORK, ENGINE = KINDS = ("user", "state", "serialisation", "network", "engine")

_WEIR: Final = f"{Path(__file__).resolve().parent.parent}/"
_PATHS: Final = sysconfig.get_paths()
_STANDARD: Final = (f"{_PATHS['stdlib']}/", f"{_PATHS['platstdlib']}/")
_INSTALLED: Final = (f"{_PATHS['purelib']}/", f"{_PATHS['platlib']}/")
#: Whose work a frame of Weir is, by the beginning of its path in the package; of all others the frame outside decides.
_ROOMS: Final = (
    ("state/", STATE),
    ("columnar/snapshots", STATE),
    ("serde/", SERIALISATION),
    ("taskmanager/exchange/row_codec", SERIALISATION),
    ("taskmanager/exchange/column_codec", SERIALISATION),
    ("taskmanager/exchange/wire", SERIALISATION),
    ("taskmanager/exchange/network", NETWORK),
    ("taskmanager/exchange/dataplane", NETWORK),
    ("taskmanager/exchange/channels", NETWORK),
)
#: Rooms of Weir that call what users wrote.
_CALLERS: Final = ("operators/", "functions", "connectors/", "windows/")


def kind_of(files: Iterable[str]) -> str:
    """One of ``KINDS`` for the files of a stack's frames, innermost first."""
    installed = False
    for file in files:
        if file.startswith(_WEIR):
            place = file.removeprefix(_WEIR)
            for beginning, kind in _ROOMS:
                if place.startswith(beginning):
                    return kind
            return USER if installed and place.startswith(_CALLERS) else ENGINE
        if file.startswith(_INSTALLED):
            installed = True
        elif not file.startswith(("<", *_STANDARD)):
            return USER
    return ENGINE
