"""Operator ids: what state is matched by over restarts and upgrades.

With a uid the id is the uid's hash. Without one it is a hash of the operator's place in the structure: its type and
the ids of what feeds it. Names, parallelism, chaining and unrelated branches do not matter; equal places (two
``map`` on one stream) are told apart by their order.
"""

from __future__ import annotations

import hashlib
from collections import Counter

from weir.graph.resolved import ResolvedGraph
from weir.ids import OperatorId, operator_id_of_uid


def operator_ids(graph: ResolvedGraph) -> dict[int, OperatorId]:
    """The operator id of each node."""
    ids: dict[int, OperatorId] = {}
    taken: Counter[str] = Counter()
    for node_id, item in graph.nodes.items():
        if item.node.uid is not None:
            ids[node_id] = operator_id_of_uid(item.node.uid)
            continue
        inputs = sorted((edge.input_index, ids[edge.source], edge.side_tag or "") for edge in item.inputs)
        place = f"structure:{item.node.type}:{inputs}"
        ids[node_id] = _hashed(f"{place}:{taken[place]}")
        taken[place] += 1
    return ids


def enumerator_id(source: OperatorId) -> OperatorId:
    """The operator id of a source's enumerator."""
    return _hashed(f"enumerator:{source}")


def _hashed(text: str) -> OperatorId:
    return OperatorId(hashlib.sha256(text.encode()).hexdigest()[:32])
