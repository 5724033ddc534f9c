"""Specs that were saved as revisions, read once: each pass asks for the same ones, and to read one costs more than the rest of the pass."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from weir_operator.models import StreamJobSpec
from weir_operator.observed import RevisionFacts

#: Documents whose reading is remembered, the least recently asked for forgotten first: memory for a thousand jobs.
_MOST = 2048
#: By the document's identity; the document is held, so nothing else can have it.
_read: OrderedDict[int, tuple[Mapping[str, Any], StreamJobSpec | None]] = OrderedDict()


def saved_spec(facts: RevisionFacts | None) -> StreamJobSpec | None:
    """None: it is not kept, or another version of the operator wrote what this one does not know."""
    if facts is None:
        return None
    known = _read.get(id(facts.spec))
    if known is None or known[0] is not facts.spec:
        known = _read[id(facts.spec)] = facts.spec, _parsed(facts.spec)
        while len(_read) > _MOST:
            _read.popitem(last=False)
    else:
        _read.move_to_end(id(facts.spec))
    return known[1]


def giving_up_state(spec: StreamJobSpec, allowed: bool) -> StreamJobSpec:
    """The spec of a revision, with ``job.allowNonRestoredState`` as it is asked for now: that is not part of a revision."""
    if spec.job.allow_non_restored_state == allowed:
        return spec
    job = spec.job.model_copy(update={"allow_non_restored_state": allowed})
    return spec.model_copy(update={"job": job})


def _parsed(document: Mapping[str, Any]) -> StreamJobSpec | None:
    try:
        return StreamJobSpec.model_validate(dict(document))
    except ValidationError:
        return None
