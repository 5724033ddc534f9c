"""From a request as it came to its answer: access first, then the route, then the handler. No aiohttp here.

Whatever a handler raises becomes an answer; a fault of ours is logged and answered by 500, and the job goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import structlog

from weir.errors import ConfigError, UnknownJob, WrongState
from weir.jobmanager.rest import access
from weir.jobmanager.rest.access import Caller
from weir.jobmanager.rest.exchange import Access, Answer, Cluster, Refusal, Request, refusal_answer
from weir.jobmanager.rest.routes import PREFIX, Match, find

log = structlog.get_logger()

#: Bytes that a request's body may have.
MAX_BODY: Final = 1024 * 1024


@dataclass(frozen=True)
class RawRequest:
    """What came; ``path`` still has its percent signs."""

    caller: Caller
    path: str
    query: dict[str, str]
    body: bytes = b""
    operator: str | None = None


def admit(raw: RawRequest, token: str | None) -> Match:
    """The route that the request is for, if it may pass: before its body is read. Raises ``Refusal``."""
    parts = [unquote(part) for part in raw.path.strip("/").split("/")]
    if parts[0] == PREFIX.strip("/"):
        del parts[0]
    matches = {match.route.method: match for match in find(parts)}
    method = "GET" if raw.caller.method == "HEAD" else raw.caller.method
    match = matches.get(method)
    access.check(Access.TOKEN if match is None else match.route.access, raw.caller, token)
    if match is not None:
        return match
    if matches:
        allowed = ", ".join(sorted(matches))
        raise Refusal(405, f"{raw.path} takes {allowed}, not {raw.caller.method}", {"Allow": allowed})
    raise Refusal(404, f"there is nothing at {raw.path}")


async def answer(cluster: Cluster, raw: RawRequest, match: Match) -> Answer:
    """Carry an admitted request out."""
    request = Request(match.words, raw.query, raw.body, raw.operator)
    try:
        made = match.route.handler(cluster, request)
        return made if isinstance(made, Answer) else await made
    except Refusal as refusal:
        return refusal_answer(refusal)
    except UnknownJob as error:
        return refusal_answer(Refusal(404, str(error)))
    except WrongState as error:
        return refusal_answer(Refusal(409, str(error)))
    except ConfigError as error:
        return refusal_answer(Refusal(400, str(error)))
    except Exception as error:
        log.exception("a request failed", path=raw.path)
        return refusal_answer(Refusal(500, f"a fault of Weir: {error!r}"))
