"""Our finalizers: put there before anything is made, taken away when nothing is left to do. Those of others stay."""

from __future__ import annotations

from weir_operator.clients.kinds import STREAM_JOB, STREAM_JOB_SNAPSHOT, Kind
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.clients.refusals import Absent
from weir_operator.models import ObjectMeta
from weir_operator.observer.world import World
from weir_operator.reconciler.snapshots.plan import FINALIZER as SNAPSHOT_FINALIZER

FINALIZER = "weir.dev/job"


async def add_finalizer(client: Kubernetes, world: World, job: ObjectMeta) -> None:
    """Hold the StreamJob until its end was seen to."""
    await set_finalizer(client, world, STREAM_JOB, job, FINALIZER, present=True)


async def remove_finalizer(client: Kubernetes, world: World, job: ObjectMeta) -> None:
    """Let the StreamJob go."""
    await set_finalizer(client, world, STREAM_JOB, job, FINALIZER, present=False)


async def release_snapshot(client: Kubernetes, world: World, of: ObjectMeta) -> None:
    """Let a StreamJobSnapshot go."""
    await set_finalizer(client, world, STREAM_JOB_SNAPSHOT, of, SNAPSHOT_FINALIZER, present=False)


async def let_all_go(client: Kubernetes, world: World) -> None:
    """The operator is being deleted: nobody will be there to see to an end. Another one would hold the resources again."""
    for kind, finalizer in ((STREAM_JOB, FINALIZER), (STREAM_JOB_SNAPSHOT, SNAPSHOT_FINALIZER)):
        for (namespace, name), body in world.resources.all(kind):
            of = ObjectMeta(namespace=namespace, name=name, uid=body["metadata"]["uid"])
            await set_finalizer(client, world, kind, of, finalizer, present=False)


async def set_finalizer(
    client: Kubernetes, world: World, kind: Kind, of: ObjectMeta, finalizer: str, *, present: bool
) -> None:
    """By version, so that nobody else's finalizer is lost: it is one list for all."""
    try:
        live = await client.get(kind, of.namespace, of.name)
        metadata = live["metadata"]
        if metadata["uid"] != of.uid:
            return
        finalizers = list(metadata.get("finalizers") or ())
        if (finalizer in finalizers) == present:
            return
        wanted = [*finalizers, finalizer] if present else [held for held in finalizers if held != finalizer]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": wanted}}
        answer = await client.merge(kind, of.namespace, of.name, patch)
    except Absent:
        return
    if not answer["metadata"].get("deletionTimestamp") or wanted:
        world.note(kind, answer)
