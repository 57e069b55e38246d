"""Which frames are traced, and what the variables may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.environ import ConfigError, Environ
from services.common.tracing import TraceSettings, new_traceparent, span, trace_settings


def settings_of(**variables: str) -> TraceSettings:
    """Return the settings that variables make."""
    named = {f"OTEL_{name}": value for name, value in variables.items()}
    return trace_settings(Environ("OTEL_", named))


def test_nothing_is_traced_by_default() -> None:
    """Without an endpoint there is nowhere to send to."""
    assert settings_of() == TraceSettings("", 0.01)
    assert settings_of(EXPORTER_OTLP_ENDPOINT="").endpoint == ""


def test_endpoint_and_share_are_read() -> None:
    """The variables are OpenTelemetry's own."""
    read = settings_of(
        EXPORTER_OTLP_ENDPOINT="http://collector:4318/", TRACES_SAMPLER_ARG="0.5"
    )
    assert read == TraceSettings("http://collector:4318", 0.5)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRACES_SAMPLER_ARG", "1.5"),
        ("TRACES_SAMPLER_ARG", "many"),
        ("EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ],
)
def test_a_bad_value_is_refused_by_name(variable: str, value: str) -> None:
    """The message names the variable."""
    with pytest.raises(ConfigError, match=f"OTEL_{variable}"):
        settings_of(**{variable: value})


@given(st.integers(0, 2**128 - 1), st.integers(1, 2**64 - 1))
def test_no_frame_is_sampled_while_nothing_is_recorded(trace: int, own: int) -> None:
    """The context is whole, and says that nobody need record."""
    context = new_traceparent(f"{trace:032x}", f"{own:016x}")
    assert context == f"00-{trace:032x}-{own:016x}-00"


def test_a_span_costs_one_shared_object_while_off() -> None:
    """Nothing is made for a frame that is not traced."""
    assert span("a", "00-1-2-01") is span("b", "")
