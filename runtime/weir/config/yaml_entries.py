"""Reads one YAML document with the line of each value, strictly: no tags, no key twice, faults by file and line.

Used for StreamJob files and for configuration files. PyYAML is imported with the first file, not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weir.errors import ConfigError

if TYPE_CHECKING:
    import yaml

_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True)
class Entry:
    """A value of the document and its line, from 1."""

    value: Any  #: a scalar, ``list[Entry]`` or ``dict[str, Entry]``
    line: int


@dataclass(frozen=True)
class Fault:
    """Something wrong in the document."""

    line: int
    text: str  #: begins with the path


def listed(path: str, faults: Sequence[Fault]) -> str:
    """All faults of a file as one message."""
    lines = [f"{path}:{fault.line}: {fault.text}" for fault in sorted(faults, key=lambda fault: fault.line)]
    return lines[0] if len(lines) == 1 else f"{path} has {len(lines)} faults:\n  " + "\n  ".join(lines)


def read_document(path: str, expected: str) -> Entry:
    """The one document of the file, a mapping; ``expected`` says what it should be.

    Raises ``ConfigError`` naming file and line.
    """
    import yaml

    text = _text(path)
    try:
        loader = yaml.SafeLoader(text)
        documents = [_entry(loader, node, path) for node in _nodes(loader)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ConfigError(f"{path}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    documents = [document for document in documents if document.value is not None]
    short = expected.partition(" (")[0]
    if len(documents) != 1:
        places = ", ".join(f"line {document.line}" for document in documents)
        raise ConfigError(
            f"{path} has {len(documents)} documents ({places}), expected one {short.removeprefix('a ')}"
            if documents
            else f"{path} is empty, expected {short}"
        )
    if not isinstance(documents[0].value, dict):
        raise ConfigError(f"{path}:{documents[0].line}: expected {expected}")
    return documents[0]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from None


def _nodes(loader: yaml.SafeLoader) -> list[yaml.Node]:
    nodes = []
    while loader.check_node():
        node = loader.get_node()
        if node is not None:
            nodes.append(node)
    return nodes


def _entry(loader: yaml.SafeLoader, node: yaml.Node, path: str) -> Entry:
    import yaml

    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN_TAGS:
        raise ConfigError(f"{path}:{line}: not YAML: the tag {node.tag} is not allowed")
    if isinstance(node, yaml.MappingNode):
        _check_twice(loader, node, path)
        loader.flatten_mapping(node)
        fields: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            key = str(loader.construct_object(key_node, deep=True))
            fields[key] = Entry(_entry(loader, value_node, path).value, key_node.start_mark.line + 1)
        return Entry(fields, line)
    if isinstance(node, yaml.SequenceNode):
        return Entry([_entry(loader, item, path) for item in node.value], line)
    return Entry(loader.construct_object(node, deep=True), line)


def _check_twice(loader: yaml.SafeLoader, node: yaml.MappingNode, path: str) -> None:
    """A key that is written twice; YAML would silently take the last."""
    seen: dict[str, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key, at = str(loader.construct_object(key_node, deep=True)), key_node.start_mark.line + 1
        if key in seen:
            raise ConfigError(f"{path}:{at}: {key} is there twice, first in line {seen[key]}")
        seen[key] = at
