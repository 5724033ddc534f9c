"""Takes secrets out of texts that leave a process: records and exceptions in messages, logs, REST. Pure.

What is named like a secret loses its value, in any notation (``'password': 'x'``, ``token=x``, ``Authorization: Bearer
x``), and a URL loses its password. It is a net, not a wall: a secret that is named like nothing stays.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "***"
#: A name that ends with such a word: ``tokens`` of a text, or ``secret_name``, are none.
_NAME = (
    r"[\w.-]*(?:passw(?:or)?ds?|passphrase|secrets?|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
    r"|authorization)"
)
_VALUE = (
    r"""(?:[bru]{0,2}"(?:[^"\\]|\\.)*"|[bru]{0,2}'(?:[^'\\]|\\.)*'|(?:Bearer|Basic)\s+[^\s,;)}\]]+"""
    r"""|[^\s,;(){}\[\]'"]+)"""
)
_NAMED: Final = re.compile(
    rf"""(?P<name>["']?{_NAME}["']?\s*(?::|=>|=)\s*)(?P<value>{_VALUE})""", re.IGNORECASE
)
_URL: Final = re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:)[^\s/@'\"]+(?=@)", re.IGNORECASE)


def redacted(text: str) -> str:
    """``text`` with ``***`` in place of what looks like a secret."""
    return _URL.sub(rf"\g<head>{HIDDEN}", _NAMED.sub(_hide, text))


def _hide(found: re.Match[str]) -> str:
    value = found["value"]
    if value in ("None", "True", "False", HIDDEN):
        return found[0]
    quote = value[-1] if value[-1] in "'\"" else ""
    return f"{found['name']}{quote}{HIDDEN}{quote}"
