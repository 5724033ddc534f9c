"""The operator's own settings: read once from the environment, frozen, passed down.

The chart writes them; ``docs/reference/operator-settings.md`` lists them. Whatever is not set has the default that stands
here. A value that cannot be read names the variable, the value and the form that is expected.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from weir_operator.errors import PermanentError

_Document = TypeVar("_Document", dict[str, str], list[Mapping[str, Any]])

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def seconds(text: str) -> float:
    """``1h30m`` as seconds; raises ValueError for what is no duration."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


#: A sixth of it is for kubelets to bring a new Secret: by default they take a minute or two, set otherwise some seconds.
_LEAST_TLS_LIFETIME = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this operator runs."""

    #: Namespaces to serve; empty: all of them.
    namespaces: tuple[str, ...] = ()
    #: Where the operator itself lives: its Lease and its canary.
    own_namespace: str = "weir-system"
    #: Who this replica is, in the Lease.
    identity: str = "weir-operator"
    #: What jobs without ``spec.image`` run; the operator's own image.
    image: str = "weir:dev"
    image_pull_policy: str | None = None
    #: Labels of the operator's pods, by which network policies let them in.
    pod_labels: Mapping[str, str] = field(default_factory=lambda: {"app.kubernetes.io/name": "weir-operator"})
    #: The key that REST tokens derive from, at least 32 bytes.
    key_file: str = "/etc/weir-operator/key"

    lease_name: str = "weir-operator"
    lease_seconds: float = 12.0
    #: A leader that could not renew for this long stops acting; shorter than the Lease, or two could act.
    renew_deadline_seconds: float = 8.0
    retry_seconds: float = 2.0

    #: Each object is looked at again after this, give or take a tenth, whatever the watches say.
    resync_seconds: float = 300.0
    #: How often a running job's JobManager is asked how it goes.
    poll_seconds: float = 10.0
    #: Status that only tells of progress (the last checkpoint ...) is written at most this often; of a run that is older
    #: than a quarter of an hour, every ten minutes.
    progress_seconds: float = 60.0
    #: Objects that are reconciled at the same time.
    workers: int = 32
    #: Requests a second to the API server, on average and at once.
    qps: float = 50.0
    burst: int = 100
    request_seconds: float = 15.0
    #: Objects in a page of a list.
    page: int = 250

    probe_address: str = "0.0.0.0:8080"
    metrics_address: str = "0.0.0.0:9090"
    #: Not alive: no event and no canary in this time, or a loop that lags as much as the second.
    silence_seconds: float = 60.0
    lag_seconds: float = 10.0

    log_level: str = "info"
    log_format: str = "json"

    #: Patterns of buckets that jobs may name, ``{namespace}`` standing for the job's; empty: any bucket.
    buckets: tuple[str, ...] = ()
    #: User and group of the pods of jobs; None: as the platform wants it.
    jobs_run_as_user: int | None = 65532
    #: Certificates for the connections between the pods of a job.
    jobs_tls: bool = False
    #: How long they last: they are rotated after two thirds of it, while the job runs.
    jobs_tls_lifetime_seconds: float = 720 * 3600.0
    jobs_network_policies: bool = True
    #: NetworkPolicyPeers that pods of jobs may reach; none: everything but the cloud's metadata service.
    jobs_egress: tuple[Mapping[str, Any], ...] = ()
    #: Secrets, in the namespaces of jobs, with which images are pulled.
    jobs_image_pull_secrets: tuple[str, ...] = ()


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from ``WEIR_OPERATOR_*`` variables."""
    reader = _Reader(environ)
    default = Settings()
    return Settings(
        namespaces=tuple(sorted(set(reader.names("NAMESPACES")))),
        own_namespace=reader.text("NAMESPACE", default.own_namespace),
        identity=reader.text("IDENTITY", "") or socket.gethostname(),
        image=reader.text("IMAGE", default.image),
        image_pull_policy=reader.text("IMAGE_PULL_POLICY", "") or None,
        pod_labels=reader.document("POD_LABELS", dict(default.pod_labels)),
        key_file=reader.text("KEY_FILE", default.key_file),
        lease_name=reader.text("LEASE_NAME", default.lease_name),
        lease_seconds=reader.duration("LEASE_DURATION", default.lease_seconds),
        renew_deadline_seconds=reader.duration("LEASE_RENEW_DEADLINE", default.renew_deadline_seconds),
        retry_seconds=reader.duration("LEASE_RETRY", default.retry_seconds),
        resync_seconds=reader.duration("RESYNC", default.resync_seconds),
        poll_seconds=reader.duration("POLL", default.poll_seconds),
        progress_seconds=reader.duration("PROGRESS", default.progress_seconds),
        workers=reader.count("WORKERS", default.workers),
        qps=float(reader.count("QPS", int(default.qps))),
        burst=reader.count("BURST", default.burst),
        request_seconds=reader.duration("REQUEST_TIMEOUT", default.request_seconds),
        page=reader.count("PAGE", default.page),
        probe_address=reader.text("PROBE_ADDRESS", default.probe_address),
        metrics_address=reader.text("METRICS_ADDRESS", default.metrics_address),
        silence_seconds=reader.duration("SILENCE", default.silence_seconds),
        lag_seconds=reader.duration("LAG", default.lag_seconds),
        log_level=reader.text("LOG_LEVEL", default.log_level).lower(),
        log_format=reader.text("LOG_FORMAT", default.log_format).lower(),
        buckets=tuple(reader.names("BUCKETS")),
        jobs_run_as_user=None
        if reader.text("JOBS_RUN_AS_USER", "") == "platform"
        else reader.count("JOBS_RUN_AS_USER", 65532),
        jobs_tls=reader.switch("JOBS_TLS", default.jobs_tls),
        jobs_tls_lifetime_seconds=reader.duration(
            "JOBS_TLS_LIFETIME", default.jobs_tls_lifetime_seconds, least=_LEAST_TLS_LIFETIME
        ),
        jobs_network_policies=reader.switch("JOBS_NETWORK_POLICIES", default.jobs_network_policies),
        jobs_egress=tuple(reader.document("JOBS_EGRESS", list[Mapping[str, Any]]())),
        jobs_image_pull_secrets=tuple(reader.names("JOBS_IMAGE_PULL_SECRETS")),
    )


class _Reader:
    """Typed reads, with errors that name the variable."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(f"WEIR_OPERATOR_{name}", "").strip() or default

    def names(self, name: str) -> list[str]:
        return [part.strip() for part in self.text(name, "").split(",") if part.strip()]

    def switch(self, name: str, default: bool) -> bool:
        text = self.text(name, str(default)).lower()
        if text not in {"true", "false"}:
            raise PermanentError(f"WEIR_OPERATOR_{name} is {text!r}; true or false is expected")
        return text == "true"

    def document(self, name: str, default: _Document) -> _Document:
        """JSON of the default's type."""
        text = self.text(name, "")
        if not text:
            return default
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, type(default)):
            shape = "an object" if isinstance(default, dict) else "a list"
            raise PermanentError(f"WEIR_OPERATOR_{name} is {text!r}; {shape} in JSON is expected")
        return found

    def duration(self, name: str, default: float, least: float = 0.0) -> float:
        text = self.text(name, "")
        if not text:
            return default
        try:
            found = seconds(text)
        except ValueError:
            raise PermanentError(
                f"WEIR_OPERATOR_{name} is {text!r}; a duration is expected, such as 500ms, 10s or 1h30m"
            ) from None
        if found < least:
            raise PermanentError(f"WEIR_OPERATOR_{name} is {text!r}; at least {least:g}s are needed")
        return found

    def count(self, name: str, default: int) -> int:
        text = self.text(name, "")
        if not text:
            return default
        if not text.isdigit() or int(text) < 1:
            raise PermanentError(f"WEIR_OPERATOR_{name} is {text!r}; a whole number from 1 is expected")
        return int(text)
