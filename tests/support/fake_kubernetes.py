"""A small API server for what a real one will not do on demand: lose an answer, go back in time, cut or silence a watch.

It keeps objects by path, counts versions, pages lists, streams watches with bookmarks, holds to preconditions and finalizers,
and merges server-side apply field by field. It knows no schema, no rights and no controllers: a test that needs a pod puts
one there. Requests are logged; ``intercept`` sees each before it is served and may answer with a fault.
"""

from __future__ import annotations

import asyncio
import copy
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from aiohttp import web

Body = dict[str, Any]
#: Path of a collection in its namespace -> name -> object.
GROUPS = {
    "v1": {
        "pods": "Pod",
        "services": "Service",
        "configmaps": "ConfigMap",
        "secrets": "Secret",
        "namespaces": "Namespace",
    },
    "apps/v1": {"deployments": "Deployment", "controllerrevisions": "ControllerRevision"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "coordination.k8s.io/v1": {"leases": "Lease"},
    "events.k8s.io/v1": {"events": "Event"},
    "weir.dev/v1alpha1": {"streamjobs": "StreamJob", "streamjobsnapshots": "StreamJobSnapshot"},
}


class Fault(Enum):
    """What may become of a request besides being served."""

    LOSE_ANSWER = "it is carried out, and the connection breaks"
    BREAK = "the connection breaks, nothing is done"
    THROTTLE = "429"
    FAIL = "500, nothing is done"
    DENY = "403, nothing is done"
    FAIL_AFTER = "500, and it was carried out"
    HANG = "no answer until ``released``"


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    content: str

    @property
    def verb(self) -> str:
        """``apply`` for server-side apply, ``watch`` for watches, else the method in lower case."""
        if self.content == "application/apply-patch+yaml":
            return "apply"
        return "watch" if self.query.get("watch") == "true" else self.method.lower()


@dataclass(slots=True)
class Stored:
    """An object, and where it is kept."""

    resource: str  #: ``apps/v1/deployments``
    body: Body


@dataclass(slots=True)
class FakeKubernetes:
    """The server. ``start`` listens on loopback and gives its address."""

    objects: dict[tuple[str, str, str], Body] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    intercept: Callable[[Call], Fault | None] = lambda _: None
    #: Namespaces that are being deleted: nothing can be made in them.
    ending: set[str] = field(default_factory=set)
    #: Whether watches tell of anything.
    silent: bool = False
    version: int = 100
    #: (version, type, resource, object); what is gone from here answers 410.
    history: list[tuple[int, str, str, Body]] = field(default_factory=list)
    oldest: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    streams: set[web.StreamResponse] = field(default_factory=set)
    _runner: web.AppRunner | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _cut: int = 0
    _in_stream_error: Body | None = None

    async def start(self) -> str:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        address = self._runner.addresses[0]
        return f"http://{address[0]}:{address[1]}"

    async def stop(self) -> None:
        self.released.set()
        self.cut_watches()
        if self._runner is not None:
            await self._runner.cleanup()

    # What a test does to the world.

    def put(self, resource: str, body: Body) -> Body:
        """Create or replace an object, as somebody else would."""
        namespace, name = body["metadata"].get("namespace", ""), body["metadata"]["name"]
        present = self.objects.get((resource, namespace, name))
        return self._store(
            resource, {**body, "metadata": {**(present or {}).get("metadata", {}), **body["metadata"]}}
        )

    def edit(
        self,
        resource: str,
        namespace: str,
        name: str,
        change: Callable[[Body], None],
        manager: str = "kubectl",
    ) -> Body:
        """Change an object by hand."""
        body = copy.deepcopy(self.objects[resource, namespace, name])
        change(body)
        _note_manager(body, manager, "Update", {"spec", "data"} & set(body))
        return self._store(resource, body)

    def remove(self, resource: str, namespace: str, name: str, *, told: bool = True) -> None:
        """Delete an object for good; ``told``: whether watches learn of it."""
        body = self.objects.pop((resource, namespace, name))
        self._tell("DELETED", resource, body, told=told)

    def get(self, resource: str, namespace: str, name: str) -> Body | None:
        return self.objects.get((resource, namespace, name))

    def all(self, resource: str) -> Iterator[Body]:
        return iter([body for (kept, _, _), body in sorted(self.objects.items()) if kept == resource])

    def compact(self) -> None:
        """Forget the past: watches that are behind get 410."""
        self.history.clear()
        self.oldest = self.version
        self.cut_watches()

    def cut_watches(self) -> None:
        """Break all streams."""
        self._cut += 1
        self._wake()

    def fail_watches(self, code: int, message: str) -> None:
        """An error in every stream."""
        self._in_stream_error = {"kind": "Status", "code": code, "message": message, "status": "Failure"}
        self._cut += 1
        self._wake()

    @property
    def changed(self) -> asyncio.Event:
        """Set with the next change."""
        return self._changed

    def writes(self) -> list[Call]:
        return [call for call in self.calls if call.method != "GET"]

    # What it answers.

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        content = request.headers.get("Content-Type", "").partition(";")[0]
        call = Call(
            request.method, request.path, dict(request.query), json.loads(text) if text else None, content
        )
        discovered = _discovery(call.path)
        if discovered is not None:
            return web.json_response(discovered)
        self.calls.append(call)
        fault = self.intercept(call)
        if fault is Fault.BREAK:
            return self._break(request)
        if fault is Fault.HANG:
            await self.released.wait()
        if fault is Fault.THROTTLE:
            return web.json_response(
                {"code": 429, "message": "slow down"}, status=429, headers={"Retry-After": "1"}
            )
        if fault is Fault.FAIL:
            return web.json_response({"code": 500, "message": "out of order"}, status=500)
        if fault is Fault.DENY:
            return web.json_response({"code": 403, "message": "no rights"}, status=403)
        if call.verb == "watch":
            return await self._watch(request, call)
        status, answer = self.answer(call)
        if fault is Fault.LOSE_ANSWER:
            return self._break(request)
        if fault is Fault.FAIL_AFTER:
            return web.json_response({"code": 500, "message": "after the commit"}, status=500)
        return web.json_response(answer, status=status)

    def _break(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def answer(self, call: Call) -> tuple[int, Body]:
        """Status and body, as if the call had come over the network; faults are left out."""
        resource, namespace, name, sub = _parse(call.path)
        if call.method == "GET" and not name:
            return self._list(resource, namespace, call.query)
        present = self.objects.get(
            (resource, namespace, name or (call.body or {}).get("metadata", {}).get("name", ""))
        )
        if namespace in self.ending and (call.method == "POST" or (call.verb == "apply" and present is None)):
            code, answer = _status(403, "Forbidden", f"{namespace} is being terminated")
            return code, answer | {"details": {"causes": [{"reason": "NamespaceTerminating"}]}}
        if call.query.get("dryRun"):
            return 200, call.body or {}
        if call.method == "POST":
            if present is not None:
                return _status(
                    409, "AlreadyExists", f'{resource} "{present["metadata"]["name"]}" already exists'
                )
            return 201, self._store(resource, _owned(call.body, namespace, "Update"))
        if call.method == "PATCH" and call.verb == "apply":
            return self._apply(resource, namespace, present, call.body)
        if present is None:
            return _status(404, "NotFound", f'{resource} "{name}" not found')
        if call.method == "GET":
            return 200, present
        if call.method == "DELETE":
            return self._delete(resource, namespace, name, call.body or {})
        return self._update(resource, present, call, sub)

    def _list(self, resource: str, namespace: str, query: dict[str, str]) -> tuple[int, Body]:
        after, limit = query.get("continue", ""), int(query.get("limit") or 0)
        found = [
            (f"{where}/{name}", body)
            for (kept, where, name), body in sorted(self.objects.items())
            if kept == resource
            and namespace in {"", where}
            and _matches(body, query.get("labelSelector", ""))
        ]
        rest = [(key, body) for key, body in found if key > after]
        page = rest[:limit] if limit else rest
        metadata: Body = {"resourceVersion": str(self.version)}
        if len(page) < len(rest):
            metadata["continue"] = page[-1][0]
        return 200, {"kind": "List", "metadata": metadata, "items": [body for _, body in page]}

    def _apply(self, resource: str, namespace: str, present: Body | None, body: Body) -> tuple[int, Body]:
        wanted = body["metadata"].get("uid")
        if present is None:
            if wanted:
                return _status(409, "Conflict", f"uid {wanted} does not exist")
            return 201, self._store(resource, _owned(body, namespace, "Apply"))
        if wanted and wanted != present["metadata"]["uid"]:
            return _status(409, "Conflict", f"uid mismatch: {wanted} and {present['metadata']['uid']}")
        merged = _merge(present, body)
        controllers = [
            owner for owner in merged["metadata"].get("ownerReferences", ()) if owner.get("controller")
        ]
        if len({owner["uid"] for owner in controllers}) > 1:
            return _status(422, "Invalid", "only one reference can have controller set to true")
        _note_manager(merged, "weir-operator", "Apply", {"spec", "data"} & set(body))
        return 200, self._store(resource, merged)

    def _update(self, resource: str, present: Body, call: Call, sub: str) -> tuple[int, Body]:
        version = (call.body.get("metadata") or {}).get("resourceVersion")
        uid = (call.body.get("metadata") or {}).get("uid")
        if (version and version != present["metadata"]["resourceVersion"]) or (
            uid and uid != present["metadata"]["uid"]
        ):
            return _status(409, "Conflict", "the object has been modified")
        if sub == "status":
            status = (
                call.body.get("status")
                if call.method == "PUT"
                else _merge(present.get("status", {}), call.body["status"])
            )
            return 200, self._store(resource, {**present, "status": status})
        changed = (
            _merge_patch(present, call.body)
            if call.method == "PATCH"
            else {**call.body, "status": present.get("status", {})}
        )
        changed["metadata"] = {**present["metadata"], **changed["metadata"]}
        if changed["metadata"].get("deletionTimestamp") and not changed["metadata"].get("finalizers"):
            self.objects.pop(
                (resource, changed["metadata"].get("namespace", ""), changed["metadata"]["name"])
            )
            self._tell("DELETED", resource, changed)
            return 200, changed
        return 200, self._store(resource, changed)

    def _delete(self, resource: str, namespace: str, name: str, options: Body) -> tuple[int, Body]:
        present = self.objects[resource, namespace, name]
        conditions = options.get("preconditions") or {}
        if conditions.get("uid", present["metadata"]["uid"]) != present["metadata"]["uid"]:
            return _status(409, "Conflict", "the uid is another")
        if present["metadata"].get("finalizers"):
            stamped = {
                **present["metadata"],
                "deletionTimestamp": present["metadata"].get("deletionTimestamp") or _now(),
            }
            return 200, self._store(resource, {**present, "metadata": stamped})
        self.remove(resource, namespace, name)
        return 200, {"kind": "Status", "status": "Success"}

    def _store(self, resource: str, body: Body) -> Body:
        metadata = body["metadata"]
        key = (resource, metadata.get("namespace", ""), metadata["name"])
        present = self.objects.get(key)
        if present is not None and _essence(present) == _essence(body):
            return present
        self.version += 1
        group, _, plural = resource.rpartition("/")
        generation = (present or {}).get("metadata", {}).get("generation", 0)
        grew = present is None or present.get("spec") != body.get("spec")
        stored = {
            "apiVersion": group,
            "kind": GROUPS[group][plural],
            **body,
            "metadata": {
                "creationTimestamp": _now(),
                "uid": str(uuid.uuid4()),
                **metadata,
                "generation": generation + grew,
                "resourceVersion": str(self.version),
            },
        }
        self.objects[key] = copy.deepcopy(stored)
        self._tell("ADDED" if present is None else "MODIFIED", resource, stored)
        return stored

    def _tell(self, change: str, resource: str, body: Body, *, told: bool = True) -> None:
        if change == "DELETED":
            self.version += 1
            body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        if told:
            self.history.append((self.version, change, resource, copy.deepcopy(body)))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        resource, namespace, _, _ = _parse(call.path)
        since, cut = int(call.query.get("resourceVersion") or 0), self._cut
        stream = web.StreamResponse(headers={"Content-Type": "application/json"})
        await stream.prepare(request)
        self.streams.add(stream)
        try:
            if since < self.oldest:
                await _write(stream, "ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
                return stream
            while cut == self._cut:
                changed = self._changed
                for version, change, kept, body in list(self.history):
                    inside = kept == resource and namespace in {"", body["metadata"].get("namespace", "")}
                    if (
                        version > since
                        and inside
                        and not self.silent
                        and _matches(body, call.query.get("labelSelector", ""))
                    ):
                        await _write(stream, change, body)
                        since = version
                await changed.wait()
            if self._in_stream_error is not None:
                await _write(stream, "ERROR", self._in_stream_error)
                self._in_stream_error = None
        finally:
            self.streams.discard(stream)
        return stream


async def _write(stream: web.StreamResponse, change: str, body: Body) -> None:
    await stream.write(json.dumps({"type": change, "object": body}).encode() + b"\n")


def _parse(path: str) -> tuple[str, str, str, str]:
    """Resource, namespace, name, subresource."""
    parts = path.strip("/").split("/")
    group = parts[1:2] if parts[0] == "api" else parts[1:3]
    rest = parts[1 + len(group) :]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    return f"{'/'.join(group)}/{rest[0]}", namespace, name, rest[2] if len(rest) > 2 else ""


def _discovery(path: str) -> Body | None:
    where = path.strip("/")
    if where == "api":
        return {"versions": ["v1"]}
    if where == "apis":
        groups = [tuple(group.split("/")) for group in GROUPS if "/" in group]
        return {
            "groups": [
                {"name": name, "preferredVersion": {"version": version}, "versions": [{"version": version}]}
                for name, version in groups
            ]
        }
    group = where.removeprefix("apis/").removeprefix("api/")
    if group not in GROUPS:
        return None
    verbs = ["get", "list", "watch", "create", "patch", "update", "delete"]
    return {
        "resources": [
            {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": True, "verbs": verbs}
            for plural, kind in GROUPS[group].items()
        ]
    }


def _status(code: int, reason: str, message: str) -> tuple[int, Body]:
    return code, {"kind": "Status", "code": code, "reason": reason, "message": message}


def _matches(body: Body, selector: str) -> bool:
    labels = body["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        name, equals, value = term.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


def _owned(body: Body, namespace: str, operation: str) -> Body:
    made = copy.deepcopy(body)
    made["metadata"].setdefault("namespace", namespace)
    _note_manager(made, "weir-operator", operation, {"spec", "data"} & set(body))
    return made


def _note_manager(body: Body, manager: str, operation: str, fields: set[str]) -> None:
    entries = [entry for entry in body["metadata"].get("managedFields", ()) if entry["manager"] != manager]
    if manager == "weir-operator":
        entries = []  # by force all fields are its own again
    entry = {
        "manager": manager,
        "operation": operation,
        "fieldsV1": {f"f:{name}": {} for name in sorted(fields)},
    }
    body["metadata"]["managedFields"] = [*entries, entry]


def _merge(present: Any, wanted: Any) -> Any:
    if not isinstance(present, dict) or not isinstance(wanted, dict):
        return copy.deepcopy(wanted)
    merged = copy.deepcopy(present)
    for name, value in wanted.items():
        if name == "ownerReferences":
            others = [
                owner for owner in present.get(name, ()) if owner["uid"] not in {o["uid"] for o in value}
            ]
            merged[name] = [*others, *value]
        else:
            merged[name] = _merge(present.get(name), value)
    return merged


def _merge_patch(present: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = copy.deepcopy(present) if isinstance(present, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge_patch(merged.get(name), value)
    return merged


def _essence(body: Body) -> Body:
    skipped = {"resourceVersion", "generation", "managedFields", "creationTimestamp", "uid"}
    metadata = {name: value for name, value in body["metadata"].items() if name not in skipped}
    return {name: value for name, value in body.items() if name not in {"apiVersion", "kind", "metadata"}} | {
        "m": metadata
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
