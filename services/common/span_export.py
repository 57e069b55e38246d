"""Make spans of OpenTelemetry and send them; imported only where traces are wanted."""

import threading
from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)

_Attributes = Mapping[str, str | int | float | bool]


class _ChosenIds(RandomIdGenerator, threading.local):
    """Random ids, or those of a trace context where it has no parent."""

    chosen: SpanContext | None = None

    def generate_trace_id(self) -> int:
        """Return the id of a trace."""
        return self.chosen.trace_id if self.chosen else super().generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the id of a span."""
        return self.chosen.span_id if self.chosen else super().generate_span_id()


class SpanRecorder:
    """Records spans whose begin and end are known, and sends them in the background.

    What cannot be sent is dropped: frames never wait for their traces.
    """

    def __init__(self, service: str, endpoint: str) -> None:
        """Begin to send.

        Args:
            service: Name of the service.
            endpoint: Base URL of an OTLP receiver over HTTP. The other variables of
                the exporter, such as OTEL_EXPORTER_OTLP_HEADERS, hold too.
        """
        self._ids = _ChosenIds()
        self._provider = TracerProvider(
            # The message says whether its frame is sampled.
            sampler=ALWAYS_ON,
            resource=Resource.create(
                {"service.namespace": "spoton", "service.name": service}
            ),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces"))
        )
        self._tracer = self._provider.get_tracer("spoton")

    def record(
        self,
        name: str,
        traceparent: str,
        begin_ns: int,
        end_ns: int,
        attributes: _Attributes,
    ) -> None:
        """Record a span below the one that a trace context names."""
        parent = set_span_in_context(NonRecordingSpan(_context(traceparent)))
        self._tracer.start_span(
            name, parent, start_time=begin_ns, attributes=attributes
        ).end(end_ns)

    def record_root(
        self,
        name: str,
        traceparent: str,
        begin_ns: int,
        end_ns: int,
        attributes: _Attributes,
    ) -> None:
        """Record the span that a trace context names."""
        self._ids.chosen = _context(traceparent)
        try:
            root = self._tracer.start_span(
                name, start_time=begin_ns, attributes=attributes
            )
        finally:
            self._ids.chosen = None
        root.end(end_ns)

    def close(self) -> None:
        """Send what is left, and stop."""
        self._provider.shutdown()


def _context(traceparent: str) -> SpanContext:
    _, trace_id, span_id, _ = traceparent.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1)
    )
