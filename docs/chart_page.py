"""The reference page of the chart's values, made from its schema and its defaults; ``generate`` writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parent.parent / "charts" / "weir-operator"

_HEAD = """\
# Values of the chart

What `helm install weir charts/weir-operator --set KEY=VALUE` may say; [how to install the operator](../how-to/install-the-operator.md) shows it at work. A key that is not here, or a value of another
type, is refused by its name.

| key | default | |
|---|---|---|
"""


def chart_values() -> str:
    """The text of ``chart-values.md``."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = [
        f"| `{path}` | {'' if default is None else f'`{json.dumps(default)}`'} | {described['description']} |\n"
        for path, described, default in _leaves(schema, values)
    ]
    return _HEAD + "".join(rows)


def _leaves(schema: dict[str, Any], values: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any], Any]]:
    for name, child in schema["properties"].items():
        default = values.get(name) if isinstance(values, dict) else None
        if "properties" in child and name != "global":
            yield from _leaves(child, default, f"{path}{name}.")
        elif name != "global":
            yield f"{path}{name}", child, default
