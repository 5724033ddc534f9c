"""Checks what users pass to fluent calls, so that a slip fails at their line and not in a worker."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from weir.config import SettingValue, setting_text
from weir.errors import ConfigError, GraphError, is_text
from weir.functions import Function


def user_function(call: str, value: Any, base: type, *, plain: bool = True) -> Any:
    """``value`` if ``call`` can run it: an instance of ``base``, or (if ``plain``) any callable.

    Raises ``GraphError`` saying what was given and what to give.
    """
    if isinstance(value, base):
        return value
    wanted = f"a callable or a {base.__name__}" if plain else f"a {base.__name__}"
    if isinstance(value, type) and issubclass(value, Function):
        raise GraphError(
            f"{call} takes {wanted}, got the class {value.__name__}; make an instance: {value.__name__}()"
        )
    if isinstance(value, Function):
        kind = next(c.__name__ for c in type(value).__mro__ if c.__module__.startswith("weir."))
        remedy = "; put key_by(...) before it" if kind == f"Keyed{base.__name__}" else ""
        raise GraphError(f"{call} takes {wanted}, got {type(value).__name__}, which is a {kind}{remedy}")
    if not plain and callable(value):
        raise GraphError(
            f"{call} takes {wanted}, got the plain callable {_name(value)}; derive a class from {base.__name__}, "
            "or use map, flat_map or filter, which take plain callables"
        )
    if not callable(value):
        raise GraphError(f"{call} takes {wanted}, got {type(value).__name__}: {value!r:.100}")
    if inspect.iscoroutinefunction(value):
        raise GraphError(
            f"{call} takes {wanted}, got the coroutine function {_name(value)}; use a plain function"
        )
    return value


def method_of(value: Any, base: type, method: str) -> Callable[..., Any]:
    """The callable behind a checked function object or plain callable."""
    found: Callable[..., Any] = getattr(value, method) if isinstance(value, base) else value
    return found


def instance_of(call: str, value: Any, base: type) -> Any:
    """``value`` if it is an instance of ``base``. Raises ``GraphError``."""
    if isinstance(value, base):
        return value
    if isinstance(value, type) and issubclass(value, base):
        raise GraphError(f"{call} takes a {base.__name__}, got the class {value.__name__}; make an instance")
    raise GraphError(f"{call} takes a {base.__name__}, got {type(value).__name__}: {value!r:.100}")


def positive(call: str, value: Any, limit: int = 32768) -> int:
    """``value`` if it is a whole number from 1 to ``limit``. Raises ``GraphError``."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= limit:
        return value
    raise GraphError(f"{call} takes a whole number from 1 to {limit}, got {value!r}")


def label(call: str, value: Any) -> str:
    """``value`` if it is a text that is not empty. Raises ``GraphError``."""
    if isinstance(value, str) and value and is_text(value):
        return value
    raise GraphError(f"{call} takes a text that is not empty, got {value!r}")


def setting(call: str, key: str, value: SettingValue) -> str:
    """The setting's text. Raises ``ConfigError`` that names the call."""
    try:
        return setting_text(key, value)
    except ConfigError as error:
        raise ConfigError(f"{call}: {error}") from None


def _name(value: Any) -> str:
    return getattr(value, "__qualname__", type(value).__name__)
