"""Words that Tocsin cannot find in records raise an alert of their own; where all is read, none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.replay.test_run import START, alerts, run, write
from tests.support.litellm_lines import line, record

ALERT = "TocsinContentNotUnderstood"
KNOWN = {"choices": [{"message": {"content": "words in a known place"}}]}
UNKNOWN = {"unheard_of": [{"inner": "words in no known place"}]}


@pytest.mark.parametrize(
    ("unread", "sides", "fires"),
    [(0, "response", False), (1, "response", False), (4, "response", True), (4, "messages", True)],
)
def test_an_alert_fires_when_more_than_a_few_records_hold_words_in_no_known_place(
    tmp_path: Path, unread: int, sides: str, fires: bool
) -> None:
    lines = []
    for place in range(100):
        made = record(START + 5 * place, f"call-{place}") | {"call_type": "acompletion", "response": KNOWN}
        if place % 25 == 0 and place // 25 < unread:
            made[sides] = UNKNOWN if sides == "response" else [{"role": "user", **UNKNOWN}]
        lines.append(line(made))
    lines.append(line(record(START + 1_500, "last")))
    names = [name for name, _fired, _resolved in alerts(run(write(tmp_path, lines), scan_content=True))]
    assert (ALERT in names) is fires
