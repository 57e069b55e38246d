"""Resume tokens."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.common.ids import EnvironmentId
from services.pipeline.domain.resume import resume_token, sequence_from_token

PLAZA = EnvironmentId("plaza")


@settings(deadline=None)
@given(st.integers(0, 2**53))
def test_a_token_leads_back_to_its_sequence(sequence: int) -> None:
    """Every sequence survives the way through a token."""
    assert sequence_from_token(resume_token(PLAZA, sequence), PLAZA) == sequence


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    """Nothing that a caller makes up raises anything but InvalidInput."""
    with pytest.raises(InvalidInput):
        sequence_from_token(text, PLAZA)


@pytest.mark.parametrize(
    "content",
    ["1:plaza:", "1:plaza:-1", "2:plaza:1", "1:plaza:" + "9" * 30, "1:other:1"],
)
def test_a_token_with_other_content_is_refused(content: str) -> None:
    """Another version, another environment, or a number that is none."""
    token = base64.urlsafe_b64encode(content.encode()).decode()
    with pytest.raises(InvalidInput):
        sequence_from_token(token, PLAZA)
