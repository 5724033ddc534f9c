"""What the operator counts about itself, for Prometheus; ``docs/reference/operator-settings.md`` lists it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_REACTION = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """All of them, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "weir_operator_api_requests_total",
            "Requests to the API server",
            ["verb", "kind", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "weir_operator_api_request_seconds",
            "Time of requests to the API server",
            ["verb"],
            registry=self.registry,
        )
        self.passes = Counter(
            "weir_operator_passes_total",
            "Passes over a resource, by outcome",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.pass_seconds = Histogram(
            "weir_operator_pass_seconds", "Time of a pass", ["kind"], registry=self.registry
        )
        self.reaction_seconds = Histogram(
            "weir_operator_reaction_seconds",
            "From the first wake-up to the end of the pass that answers it",
            ["kind"],
            buckets=_REACTION,
            registry=self.registry,
        )
        self.events = Counter(
            "weir_operator_watch_events_total", "Events of watches", ["kind"], registry=self.registry
        )
        self.dropped_events = Counter(
            "weir_operator_dropped_events_total",
            "Events about resources that were dropped since too many waited to be written",
            registry=self.registry,
        )
        self.resources = Gauge(
            "weir_operator_resources", "Resources that are known", ["kind"], registry=self.registry
        )
        self.leading = Gauge("weir_operator_leading", "1 while this replica leads", registry=self.registry)
        self.term = Gauge("weir_operator_term", "The last term of this replica", registry=self.registry)
        self.loop_lag = Gauge(
            "weir_operator_loop_lag_seconds", "How late the event loop is", registry=self.registry
        )
        self.silence = Gauge(
            "weir_operator_canary_age_seconds",
            "Since the canary was last seen by a watch",
            registry=self.registry,
        )

    def requested(self, verb: str, kind: str, status: int, seconds: float) -> None:
        """A request was made."""
        self.requests.labels(verb, kind, str(status or "none")).inc()
        self.request_seconds.labels(verb).observe(seconds)

    def passed(self, kind: str, outcome: str, seconds: float, reaction: float) -> None:
        """A pass ended."""
        self.passes.labels(kind, outcome).inc()
        self.pass_seconds.labels(kind).observe(seconds)
        self.reaction_seconds.labels(kind).observe(reaction)

    def page(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)
