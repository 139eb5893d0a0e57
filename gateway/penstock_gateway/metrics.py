"""Every metric of the gateway: its name, its meaning, and the slotted counters that the hot paths add to.

Counting is `counters.received += n` on plain ints; a scrape reads the objects (`Metrics.exposition`). Names are
`penstock_<thing>_<unit>`, labels `api` (`namespace/name`), `stream`, and for components `label` and `path` as they
stand in the configuration. Nothing a client or a message says is ever a label.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of a duration, in seconds."""


class Timing:
    """A histogram of durations in seconds; one `observe` costs a bisection."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds


class ByReason(dict[str, int]):
    """Counters by a closed set of words; `add` counts one more."""

    __slots__ = ()

    def add(self, word: str, count: int = 1) -> None:
        """Count `count` more of `word`."""
        self[word] = self.get(word, 0) + count


def _counter(name: str, text: str) -> Any:
    return field(default=0, metadata={"name": name, "text": text, "family": CounterMetricFamily})


def _gauge(name: str, text: str) -> Any:
    return field(default=0, metadata={"name": name, "text": text, "family": GaugeMetricFamily})


def _about(family: type[Metric], name: str, text: str, by: str = "") -> dict[str, Any]:
    return {"name": name, "text": text, "family": family, "by": by}


@dataclass(slots=True, eq=False)
class InputCounters:
    """What one input did."""

    received: int = _counter("penstock_input_received", "Messages handed over by an input.")
    batches: int = _counter("penstock_input_batch_received", "Batches handed over by an input.")
    received_bytes: int = _counter("penstock_input_received_bytes", "Bytes of the messages handed over by an input.")
    acknowledged: int = _counter("penstock_input_acknowledged", "Batches acknowledged to the input.")
    refused: int = _counter("penstock_input_refused", "Batches that an output refused; the input was told.")
    replayed: int = _counter("penstock_input_replayed", "Batches sent again after a refusal.")
    up: int = _counter("penstock_input_connection_up", "Connections made by an input.")
    failed: int = _counter("penstock_input_connection_failed", "Attempts of an input to connect that failed.")
    lost: int = _counter("penstock_input_connection_lost", "Connections an input lost.")
    connected: int = _gauge("penstock_input_connected", "1 while the input is connected.")
    lag: int = _gauge("penstock_input_lag_messages", "Messages between the input's position and the end of its log.")
    in_flight: int = _gauge("penstock_input_in_flight_batches", "Batches that are not settled yet.")
    latency: Timing = field(
        default_factory=Timing,
        metadata=_about(
            HistogramMetricFamily, "penstock_input_latency_seconds", "From hand-over to acknowledgement of a batch."
        ),
    )


@dataclass(slots=True, eq=False)
class ProcessorCounters:
    """What one processor did."""

    received: int = _counter("penstock_processor_received", "Messages given to a processor.")
    batches_received: int = _counter("penstock_processor_batch_received", "Batches given to a processor.")
    sent: int = _counter("penstock_processor_sent", "Messages a processor gave on.")
    batches_sent: int = _counter("penstock_processor_batch_sent", "Batches a processor gave on.")
    errors: int = _counter("penstock_processor_error", "Messages a processor marked as failed.")
    latency: Timing = field(
        default_factory=Timing,
        metadata=_about(
            HistogramMetricFamily, "penstock_processor_latency_seconds", "Time a processor took for a batch."
        ),
    )


@dataclass(slots=True, eq=False)
class OutputCounters:
    """What one output did."""

    sent: int = _counter("penstock_output_sent", "Messages an output delivered.")
    batches_sent: int = _counter("penstock_output_batch_sent", "Batches an output delivered.")
    sent_bytes: int = _counter("penstock_output_sent_bytes", "Bytes of the messages an output delivered.")
    errors: int = _counter("penstock_output_error", "Messages an output could not deliver.")
    up: int = _counter("penstock_output_connection_up", "Connections made by an output.")
    failed: int = _counter("penstock_output_connection_failed", "Attempts of an output to connect that failed.")
    lost: int = _counter("penstock_output_connection_lost", "Connections an output lost.")
    connected: int = _gauge("penstock_output_connected", "1 while the output is connected.")
    latency: Timing = field(
        default_factory=Timing,
        metadata=_about(HistogramMetricFamily, "penstock_output_latency_seconds", "Time an output took for a batch."),
    )


@dataclass(slots=True, eq=False)
class OutletCounters:
    """What clients got from one outlet."""

    received: int = _counter("penstock_outlet_received", "Messages that came to an outlet.")
    delivered: int = _counter("penstock_messages_delivered", "Messages handed to clients' sockets, once per client.")
    delivered_bytes: int = _counter("penstock_messages_delivered_bytes", "Bytes handed to clients' sockets.")
    acknowledged: int = _counter("penstock_messages_acknowledged", "Messages that clients acknowledged.")
    dropped: ByReason = field(
        default_factory=ByReason,
        metadata=_about(
            CounterMetricFamily, "penstock_messages_dropped", "Messages a client did not get, by reason.", by="reason"
        ),
    )
    gaps: ByReason = field(
        default_factory=ByReason,
        metadata=_about(CounterMetricFamily, "penstock_gaps", "Gaps announced to clients, by reason.", by="reason"),
    )
    closed: ByReason = field(
        default_factory=ByReason,
        metadata=_about(
            CounterMetricFamily,
            "penstock_connections_closed",
            "Connections the gateway closed, by reason.",
            by="reason",
        ),
    )
    connections: ByReason = field(
        default_factory=ByReason,
        metadata=_about(GaugeMetricFamily, "penstock_connections", "Open client connections.", by="protocol"),
    )
    opened: ByReason = field(
        default_factory=ByReason,
        metadata=_about(
            CounterMetricFamily, "penstock_connections_opened", "Client connections served so far.", by="protocol"
        ),
    )
    views: int = _gauge("penstock_outlet_views", "Different forms in which an outlet is being sent.")
    ring_messages: int = _gauge("penstock_ring_messages", "Messages held for clients that come back.")
    ring_bytes: int = _gauge("penstock_ring_bytes", "Bytes held for clients that come back.")
    ring_span: float = _gauge("penstock_ring_span_seconds", "Age of the oldest message held.")
    latency: Timing = field(
        default_factory=Timing,
        metadata=_about(
            HistogramMetricFamily,
            "penstock_delivery_latency_seconds",
            "From an outlet's receipt to the clients' sockets.",
        ),
    )


@dataclass(slots=True, eq=False)
class AccessCounters:
    """What one API's door did."""

    allowed: int = _counter("penstock_requests_allowed", "Requests that were let in.")
    published: int = _counter("penstock_messages_published", "Messages that came in by requests.")
    published_bytes: int = _counter("penstock_messages_published_bytes", "Bytes of request bodies.")
    held: int = _counter("penstock_requests_held", "Requests held back for a while by a throttle.")
    refused: ByReason = field(
        default_factory=ByReason,
        metadata=_about(
            CounterMetricFamily, "penstock_requests_refused", "Requests that were refused, by reason.", by="reason"
        ),
    )
    streams_closed: ByReason = field(
        default_factory=ByReason,
        metadata=_about(
            CounterMetricFamily, "penstock_access_closed", "Live streams closed by a change of access.", by="reason"
        ),
    )
    responses: ByReason = field(
        default_factory=ByReason,
        metadata=_about(CounterMetricFamily, "penstock_responses", "Answers by status code.", by="code"),
    )


@dataclass(slots=True, eq=False)
class GatewayCounters:
    """What the process did."""

    malformed: int = _counter("penstock_http_malformed", "Requests no API could be found for, or that were not HTTP.")
    sockets: int = _gauge("penstock_http_sockets", "Open connections of the public port.")
    reloads: int = _counter("penstock_access_reload", "Times the access documents were read.")
    unreadable: int = _gauge(
        "penstock_access_unreadable_files", "Access documents that cannot be read; their APIs answer 503."
    )
    reloaded_at: float = _gauge("penstock_access_reload_timestamp_seconds", "When the access documents were last read.")
    loop_lag: float = _gauge("penstock_event_loop_lag_seconds", "Latest delay of the event loop.")


MeasureSort = Literal["counter", "gauge", "timing"]
MAX_SERIES = 1000
"""Label sets that one metric of a configuration may have; texts of messages may be among them."""

_MEASURES: dict[str, tuple[str, str]] = {
    "counter": ("penstock_custom", "What processors `metric` count."),
    "gauge": ("penstock_custom_value", "What processors `metric` have seen last."),
    "timing": ("penstock_custom_seconds", "Durations that processors `metric` have seen."),
}
RESERVED_LABELS = ("api", "stream", "name", "le")


class Measure:
    """A metric that a configuration asks for, by the label sets seen so far."""

    __slots__ = ("rows", "sort")

    def __init__(self, sort: MeasureSort) -> None:
        self.sort = sort
        self.rows: dict[tuple[tuple[str, str], ...], float | Timing] = {}

    def add(self, labels: Mapping[str, str], value: float) -> bool:
        """Count `value` more, set the gauge to it, or observe it in seconds; False when there are too many label sets."""
        key = tuple(sorted(labels.items()))
        row = self.rows.get(key)
        if row is None:
            if len(self.rows) >= MAX_SERIES:
                return False
            row = self.rows[key] = Timing() if self.sort == "timing" else 0
        if isinstance(row, Timing):
            row.observe(value)
        else:
            self.rows[key] = row + value if self.sort == "counter" else value
        return True

    def samples(self, family: Metric, labels: dict[str, str]) -> None:
        """Write all rows into their family."""
        for own, row in self.rows.items():
            found = {**dict(own), **labels}
            if not isinstance(row, Timing):
                family.add_sample(family.name + ("_total" if self.sort == "counter" else ""), found, row)
                continue
            seen = 0
            for bound, count in zip((*_BOUNDS, float("inf")), row.counts, strict=True):
                seen += count
                shown = "+Inf" if bound == float("inf") else str(bound)
                family.add_sample(f"{family.name}_bucket", {**found, "le": shown}, seen)
            family.add_sample(f"{family.name}_count", found, seen)
            family.add_sample(f"{family.name}_sum", found, row.total)


C = TypeVar("C")
_STREAM = ("api", "stream")
_COMPONENT = ("api", "stream", "label", "path")


class _Table:
    """The counters of one class, by their label values."""

    __slots__ = ("labels", "rows", "sort")

    def __init__(self, sort: type[Any], labels: tuple[str, ...]) -> None:
        self.sort, self.labels = sort, labels
        self.rows: dict[tuple[str, ...], Any] = {}

    def get(self, values: tuple[str, ...]) -> Any:
        row = self.rows.get(values)
        if row is None:
            row = self.rows[values] = self.sort()
        return row

    def families(self) -> Iterator[Metric]:
        for column in fields(self.sort):
            by = column.metadata.get("by")
            labels = [*self.labels, by] if by else list(self.labels)
            family = column.metadata["family"](column.metadata["name"], column.metadata["text"], labels=labels)
            for values, row in self.rows.items():
                _sample(family, list(values), getattr(row, column.name))
            yield family


def _sample(family: Any, values: list[str], value: Any) -> None:
    if isinstance(value, ByReason):
        for word, count in value.items():
            family.add_metric([*values, word], count)
    elif isinstance(value, Timing):
        buckets, seen = [], 0
        for bound, count in zip((*_BOUNDS, float("inf")), value.counts, strict=True):
            seen += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), seen))
        family.add_metric(values, buckets, value.total)
    else:
        family.add_metric(values, value)


class Metrics:
    """All counters of a process. A counter is made when it is first asked for and lives as long as the process."""

    def __init__(self, version: str = "", revision: str = "") -> None:
        self._tables = {
            InputCounters: _Table(InputCounters, _COMPONENT),
            ProcessorCounters: _Table(ProcessorCounters, _COMPONENT),
            OutputCounters: _Table(OutputCounters, _COMPONENT),
            OutletCounters: _Table(OutletCounters, _STREAM),
            AccessCounters: _Table(AccessCounters, ("api",)),
            GatewayCounters: _Table(GatewayCounters, ()),
        }
        self._measures: dict[tuple[str, str, str, MeasureSort], Measure] = {}
        self._info = (version, revision)
        self.gateway: GatewayCounters = self._get(GatewayCounters)

    def _get(self, sort: type[C], *values: str) -> C:
        row: C = self._tables[sort].get(values)
        return row

    def input(self, api: str, stream: str, label: str, path: str) -> InputCounters:
        """The counters of an input."""
        return self._get(InputCounters, api, stream, label, path)

    def processor(self, api: str, stream: str, label: str, path: str) -> ProcessorCounters:
        """The counters of a processor."""
        return self._get(ProcessorCounters, api, stream, label, path)

    def output(self, api: str, stream: str, label: str, path: str) -> OutputCounters:
        """The counters of an output."""
        return self._get(OutputCounters, api, stream, label, path)

    def outlet(self, api: str, stream: str) -> OutletCounters:
        """The counters of where a stream meets its clients."""
        return self._get(OutletCounters, api, stream)

    def access(self, api: str) -> AccessCounters:
        """The counters of an API's door."""
        return self._get(AccessCounters, api)

    def measure(self, api: str, stream: str, name: str, sort: MeasureSort) -> Measure:
        """A metric that a configuration asks for."""
        return self._measures.setdefault((api, stream, name, sort), Measure(sort))

    def collect(self) -> Iterable[Metric]:
        """The families, as prometheus-client asks a collector for them."""
        info = GaugeMetricFamily("penstock_build_info", "Which gateway this is.", labels=["version", "revision"])
        info.add_metric(list(self._info), 1)
        yield info
        for table in self._tables.values():
            yield from table.families()
        for sort, (family, text) in _MEASURES.items():
            found = Metric(family, text, "histogram" if sort == "timing" else sort)
            for (api, stream, name, its_sort), measure in self._measures.items():
                if its_sort == sort:
                    measure.samples(found, {"api": api, "stream": stream, "name": name})
            yield found

    def exposition(self) -> bytes:
        """The Prometheus text of a scrape."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)
