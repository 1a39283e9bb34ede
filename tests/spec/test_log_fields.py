"""Field names of gateways in the prose of runbooks."""

from __future__ import annotations

from spec.log_fields import filled, mentioned
from spec.model import GatewayLog

GATEWAYS = {
    "a": GatewayLog(title="Gateway A", log={"prompt": "`messages`", "answer": "`response`"}),
    "b": GatewayLog(title="Gateway B", log={"prompt": "`body.input`"}),
}


def test_each_gateway_says_where_it_has_a_thing() -> None:
    assert filled("Read it {log:prompt}.", GATEWAYS) == "Read it (Gateway A: `messages`; Gateway B: `body.input`)."


def test_several_things_are_listed_in_order() -> None:
    said = filled("Read both {log:answer, prompt}.", {"a": GATEWAYS["a"]})
    assert said == "Read both (Gateway A: `response`, `messages`)."


def test_a_gateway_that_lacks_a_thing_is_left_out() -> None:
    assert filled("Read it {log:answer}.", GATEWAYS) == "Read it (Gateway A: `response`)."


def test_what_no_gateway_knows_leaves_nothing() -> None:
    assert filled("Read it {log:cost}.", GATEWAYS) == "Read it."
    assert filled("Read it {log:cost}.", {}) == "Read it."


def test_other_braces_stay() -> None:
    assert filled("{actor} ({tenant})", GATEWAYS) == "{actor} ({tenant})"


def test_the_names_in_a_text_are_found_in_order() -> None:
    assert list(mentioned("a {log:prompt,answer} b {log:cost} {actor}")) == ["prompt", "answer", "cost"]
