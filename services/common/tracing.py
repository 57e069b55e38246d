"""Traces of frames: one trace a frame, span by span, sent by OTLP over HTTP.

A message says by its `traceparent` which frame it is about, and whether that frame is
traced: whoever reads the camera decides, everybody else follows. Nothing is recorded
while no endpoint is configured, and nothing of the library is imported.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.common.environ import ConfigError, Environ

if TYPE_CHECKING:
    from services.common.span_export import SpanRecorder

Attribute = str | int | float | bool

_SAMPLED = "-01"
_ID_SPACE = 2**64
_DEFAULT_RATIO = 0.01
_NOTHING = nullcontext()
_NONE: Mapping[str, Attribute] = {}


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Where traces go.

    Attributes:
        endpoint: Base URL of an OTLP receiver over HTTP; empty records nothing.
        ratio: Share of the frames that are traced. Range: [0, 1].
    """

    endpoint: str = ""
    ratio: float = _DEFAULT_RATIO


@dataclass(slots=True)
class _State:
    """What this process records with."""

    recorder: "SpanRecorder | None" = None
    threshold: int = 0


_state = _State()


def trace_settings(environ: Environ | None = None) -> TraceSettings:
    """Return the settings that OTEL_… variables make.

    Raises:
        ConfigError: One of them cannot be used.
    """
    environ = environ or Environ("OTEL_")
    endpoint = environ.text("EXPORTER_OTLP_ENDPOINT", " ").strip()
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise ConfigError(
            f"{environ.prefix}EXPORTER_OTLP_ENDPOINT must be http://… or https://…"
        )
    ratio = environ.number("TRACES_SAMPLER_ARG", _DEFAULT_RATIO, most=1.0)
    return TraceSettings(endpoint.rstrip("/"), ratio)


@contextlib.contextmanager
def tracing(service: str, settings: TraceSettings) -> Iterator[None]:
    """Record and send spans while the context is open, if there is where to."""
    if not settings.endpoint:
        yield
        return
    from services.common.span_export import SpanRecorder

    _state.recorder = recorder = SpanRecorder(service, settings.endpoint)
    _state.threshold = round(settings.ratio * _ID_SPACE)
    try:
        yield
    finally:
        _state.recorder, _state.threshold = None, 0
        recorder.close()


def is_tracing() -> bool:
    """Return whether this process records anything."""
    return _state.recorder is not None


def new_traceparent(trace_id: str, span_id: str) -> str:
    """Return the trace context of a new trace, which says whether it is sampled.

    The decision follows from the id, so a frame that is read again is traced again.

    Args:
        trace_id: 32 hexadecimal digits, evenly distributed.
        span_id: 16 hexadecimal digits.

    >>> new_traceparent("0" * 31 + "1", "0" * 15 + "2")
    '00-00000000000000000000000000000001-0000000000000002-00'
    """
    sampled = bool(_state.threshold) and int(trace_id[16:], 16) < _state.threshold
    return f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"


def record_span(
    name: str,
    traceparent: str,
    begin_s: float,
    attributes: Mapping[str, Attribute] = _NONE,
) -> None:
    """Record what began at `begin_s` and ends now, if the frame is traced.

    Args:
        name: What was done.
        traceparent: W3C trace context of the frame.
        begin_s: Begin by `time.perf_counter`, seconds.
        attributes: What is known about it.
    """
    recorder = _state.recorder
    if recorder is None or not traceparent.endswith(_SAMPLED):
        return
    begin_ns, now_ns = _wall_ns(begin_s)
    recorder.record(name, traceparent, begin_ns, now_ns, attributes)


def record_root(
    name: str,
    traceparent: str,
    begin_s: float,
    attributes: Mapping[str, Attribute] = _NONE,
) -> None:
    """Record the span that the trace context itself names; see `record_span`."""
    recorder = _state.recorder
    if recorder is None or not traceparent.endswith(_SAMPLED):
        return
    begin_ns, now_ns = _wall_ns(begin_s)
    recorder.record_root(name, traceparent, begin_ns, now_ns, attributes)


def record_since(
    name: str,
    traceparent: str,
    begin_ns: int,
    attributes: Mapping[str, Attribute] = _NONE,
) -> None:
    """Record what began at a time of the wall clock; see `record_span`.

    Args:
        name: What was done.
        traceparent: W3C trace context of the frame.
        begin_ns: Begin, nanoseconds since 1970 UTC.
        attributes: What is known about it.
    """
    recorder = _state.recorder
    if recorder is None or not traceparent.endswith(_SAMPLED):
        return
    now_ns = max(time.time_ns(), begin_ns)
    recorder.record(name, traceparent, begin_ns, now_ns, attributes)


def span(name: str, traceparent: str) -> AbstractContextManager[None]:
    """Return a context that is recorded when it ends, if the frame is traced."""
    if _state.recorder is None or not traceparent.endswith(_SAMPLED):
        return _NOTHING
    return _timed(name, traceparent)


@contextlib.contextmanager
def _timed(name: str, traceparent: str) -> Iterator[None]:
    begin_s = time.perf_counter()
    try:
        yield
    finally:
        record_span(name, traceparent, begin_s)


def _wall_ns(begin_s: float) -> tuple[int, int]:
    """Return a begin and now as nanoseconds since 1970 UTC."""
    now_ns = time.time_ns()
    return now_ns - round((time.perf_counter() - begin_s) * 1e9), now_ns
