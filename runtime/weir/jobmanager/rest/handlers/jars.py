"""Flink's routes about jars: there are none, and no route takes code. What a client asks is answered as if none was uploaded."""

from __future__ import annotations

from weir.jobmanager.rest.exchange import Answer, Cluster, Refusal, Request, json_answer
from weir.jobmanager.rest.models.cluster import Jars


def jars(cluster: Cluster, _request: Request) -> Answer:
    """Always an empty list."""
    return json_answer(Jars(address=f"http://{cluster.address}" if cluster.address else ""))


def upload(_cluster: Cluster, _request: Request) -> Answer:
    """Always refused, and the body is not read."""
    raise Refusal(
        403,
        "this JobManager takes no code: a job's code lies in its image, and spec.job.entrypoint of a StreamJob names it; "
        "use `kubectl apply -f JOB.yaml`, or `weir run JOB.yaml` on one machine",
    )


def unknown(_cluster: Cluster, request: Request) -> Answer:
    """Always 404: there is no such jar."""
    raise Refusal(
        404, f"there is no jar {request.path['jar']!r}: this JobManager takes no code, so it has no jars"
    )
