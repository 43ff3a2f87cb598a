"""`/metrics` for Prometheus: requests by kind of page and how long they took, and what is looked up when it asks.

Counts alone, nothing of a reader's. By prometheus_client, which is an extra (`newsletter-press[metrics]`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

Measure = Callable[[], Iterable[tuple[str, str, Mapping[str, float]]]]
"""Name, help and values of what is looked up when somebody asks: one under "", or, as `name{label}`, by that label."""
TEXT_FORMAT = "text/plain; version=0.0.4"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """What was answered, and what `measure` finds; raises ImportError where prometheus_client is missing."""

    def __init__(self, measure: Measure) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self._registry = CollectorRegistry()
        self._requests = Counter(
            "newsletter_requests_total", "Requests answered.", ("page", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "newsletter_request_seconds", "Time to answer.", ("page",), registry=self._registry, buckets=_BUCKETS
        )
        self._measure = measure
        self._registry.register(self)

    def answered(self, page: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        method = method if method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self._requests.labels(page, method, str(status)).inc()
        self._seconds.labels(page).observe(seconds)

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        """What is looked up now; asked by the registry."""
        from prometheus_client.core import GaugeMetricFamily

        try:
            found = list(self._measure())
        except NewsletterError:  # the state is away; what was counted here is known all the same
            return
        for written, help_, values in found:
            name, _, label = written.rstrip("}").partition("{")
            family = GaugeMetricFamily(name, help_, labels=[label] if label else [])
            for one, value in values.items():
                family.add_metric([one] if label else [], value)
            yield family

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)


def metrics_or_none(measure: Measure) -> Metrics | None:
    """The metrics, where the extra is installed."""
    try:
        return Metrics(measure)
    except ImportError:
        return None
