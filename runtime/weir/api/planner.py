"""``python -m weir.api.planner [FD]``: the short-lived child that runs ``build`` for a process that must not.

Reads an encoded ``JobSpec`` (or ``LoadRequest``) on stdin and writes one framed ``LoadAnswer`` to descriptor ``FD``, or
to stdout. What user code prints goes to stderr: stdout belongs to the answer, or to the parent's own data. A crash,
a hang or ``os._exit`` of user code is a missing answer, not a dead JobManager. The parent sets a fixed
``PYTHONHASHSEED`` and a time-out.
"""

from __future__ import annotations

import os
import sys
import traceback

from weir.api.loader import load_request
from weir.errors import FailureKind, JobLoadError, WeirError
from weir.graph.codec import (
    LoadAnswer,
    LoadedGraph,
    LoadFailed,
    LoadRequest,
    decode_load_request,
    frame_load_answer,
)


def answer(request: LoadRequest) -> LoadAnswer:
    """Load the job; whatever goes wrong is an answer too."""
    try:
        job = load_request(request)
    except JobLoadError as error:
        return LoadFailed(message=str(error), traceback=error.user_traceback)
    except WeirError as error:
        return LoadFailed(message=str(error))
    except Exception as error:  # noqa: BLE001  the parent must hear of it, whatever it is
        return LoadFailed(
            message=f"loading {request.entrypoint} failed: {type(error).__name__}: {error}",
            traceback=traceback.format_exc(),
            kind=FailureKind.ENGINE,
        )
    return LoadedGraph(graph=job.graph)


def main(arguments: list[str]) -> int:
    """Answer one request. Returns the exit code, 0 also when the job cannot be loaded."""
    descriptor = int(arguments[0]) if arguments else os.dup(1)
    os.dup2(2, 1)
    # What user code starts must not hold the answer's descriptor open.
    os.set_inheritable(descriptor, False)
    request = decode_load_request(sys.stdin.buffer.read())
    frame = frame_load_answer(answer(request))
    with os.fdopen(descriptor, "wb") as out:
        out.write(frame)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that user code started must not keep the child alive.
    os._exit(code)
