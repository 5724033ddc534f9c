"""Requests and limits of the containers: what the user set, completed so that every container has both.

Memory is requested in full, so that a job is never killed for what a neighbour took. A limit that the user gives alone
is its request too, as Kubernetes has it; a request that is over our default limit raises that limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING
from typing import Any

from weir_operator.models.values import amount

Amounts = dict[str, str]


def plus(first: str, second: str) -> str:
    """The sum of two sizes, in whole mebibytes (rounded up)."""
    total = (amount(first) + amount(second)) / amount("1Mi")
    return f"{int(total.to_integral_value(ROUND_CEILING))}Mi"


def mebibytes(size: int) -> str:
    """A number of bytes in whole mebibytes (rounded up), which Kubernetes reads."""
    return plus(str(size), "0")


def complete(asked: Mapping[str, Any] | None, requests: Amounts, limits: Amounts) -> dict[str, Amounts]:
    """What the user asked for, and our defaults for what they did not speak of."""
    wanted = {name: str(given) for name, given in ((asked or {}).get("requests") or {}).items()}
    bounds = {name: str(given) for name, given in ((asked or {}).get("limits") or {}).items()}
    for name, default in limits.items():
        if name not in bounds:
            asked_for = wanted.get(name)
            bounds[name] = asked_for if asked_for and amount(asked_for) > amount(default) else default
    for name, default in requests.items():
        if name not in wanted:
            wanted[name] = default if amount(default) <= amount(bounds[name]) else bounds[name]
    wanted |= {name: bound for name, bound in bounds.items() if name not in wanted}
    return {"requests": dict(sorted(wanted.items())), "limits": dict(sorted(bounds.items()))}
