import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.duration import Duration


@given(st.integers(0, 10**10))
def test_what_is_printed_reads_back(milliseconds: int) -> None:
    text = str(Duration(milliseconds / 1000))
    assert round(float(Duration.parse(text)) * 1000) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "5 m", "m5", "-5m", "5minutes", None, True, 5])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as"):
        Duration.parse(text)


def test_compound() -> None:
    assert float(Duration.parse("1h30m")) == 5400
