"""What is proposed so that a log keeps to its budget."""

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tocsin
from alerts import AlertInstance, compile_alerts
from alerts.incidents import incidents
from alerts.techniques.absence.model import Absence
from alerts.watch import DAY
from replay.shifts import Shifts, duties
from replay.threshold_tuning import above, changed, overlay, propose, words
from spec import load_spec, names
from spec.duration import Duration

SPEC = load_spec()
RULES = compile_alerts(SPEC)
UNCERTAIN = "LLMStolenKeySuspected"
PAGING = msgspec.structs.replace(
    SPEC, alerts=SPEC.alerts | {UNCERTAIN: msgspec.structs.replace(SPEC.alerts[UNCERTAIN], maturity="stable")}
)
"""A spec in which an alert of low confidence pages: in ours none does."""
NOON = 1_795_000_000.0
BUDGET = SPEC.settings.page_budget_per_shift


def instance(
    name: str, value: float, actor: str, at: float = NOON, until: float | None = None, family: str = ""
) -> AlertInstance:
    rule = next(rule for rule in RULES if rule.name == name and rule.family == (family or name))
    labels = {"actor": actor, "tenant": "t"} if name != names.STORM else {"alert": family}
    answered = value / 2 if rule.answered else None
    return AlertInstance(
        rule, labels, at, value, answered, until or at + 3600, daily_worst={int(at // DAY): (value, at)}
    )


def spending(*values: float) -> list[AlertInstance]:
    return [
        instance("LLMSpendBurst", float(value), f"user-{place}", NOON + place) for place, value in enumerate(values)
    ]


def over(instances: list[AlertInstance]) -> list[int]:
    return [len(pages) for pages in duties(incidents(instances, SPEC), Shifts(SPEC)).values() if len(pages) > BUDGET]


def test_within_the_budget_nothing_is_proposed() -> None:
    assert propose(spending(60, 70), SPEC).changes == ()
    assert propose([], SPEC) == propose(spending(60, 70), SPEC)


def test_the_smallest_threshold_that_keeps_to_the_budget() -> None:
    (change,) = propose(spending(90, 55, 60, 55, 300), SPEC).changes
    assert (change.alert, change.before, change.value) == ("LLMSpendBurst", 50, 61)
    assert (change.hits, change.hidden, change.groups, change.all_groups) == (5, 3, 3, 5)
    assert change.peaks == (55, 55, 60, 90, 300)


@pytest.mark.parametrize(("least", "value"), [(51.234, 51.3), (51.3, 51.4)])
def test_values_that_are_no_whole_numbers_get_three_digits(least: float, value: float) -> None:
    (change,) = propose(spending(least, 60.01, 70.5), SPEC).changes
    assert change.value == value


def test_the_hits_that_a_model_answered_are_counted_among_the_hidden() -> None:
    found = [instance("LLMJailbreakRepeated", value, f"u{value}", NOON) for value in (3.0, 4.0, 5.0, 6.0)]
    (change,) = propose(found, SPEC).changes
    assert (change.value, change.hidden, change.answered) == (5, 2, 2)
    assert "2 of 4 hits" in words(change)
    assert "the model answered in 2 of these hits" in words(change)


def test_an_alert_is_demoted_when_every_hit_would_be_hidden() -> None:
    (change,) = propose(spending(70, 70, 70), SPEC).changes
    assert (change.value, change.hidden, change.hits) == (None, 3, 3)


def test_one_hit_is_enough_stays_so() -> None:
    leaks = [instance("LLMCanaryLeaked", 1.0, f"u{place}") for place in range(5)]
    proposal = propose(leaks, SPEC)
    assert (proposal.changes, proposal.left) == ((), ("LLMCanaryLeaked",))
    assert "LLMCanaryLeaked" in overlay(proposal, SPEC)


def test_what_is_missing_is_never_hidden() -> None:
    spec = load_spec()
    missing = replace(
        RULES[0],
        name="LLMSlowResponses",
        family="LLMSlowResponses",
        alert=msgspec.structs.replace(
            spec.alerts["LLMSpendBurst"], when=Absence(signal="feed_lag", older_than=Duration(300))
        ),
        criterion=replace(RULES[0].criterion, op=">"),
        incident_key="gone/{actor}",
    )
    found = [AlertInstance(missing, {"actor": f"u{place}"}, NOON, 400.0, None, NOON + 60) for place in range(5)]
    assert (propose(found, SPEC).changes, propose(found, SPEC).left) == ((), ("LLMSlowResponses",))


def test_the_gravest_are_raised_but_never_demoted() -> None:
    bulk = [instance("LLMBulkSensitiveOutput", value, f"u{value}") for value in (5.0, 6.0, 7.0)]
    assert propose(bulk, SPEC).changes[0].value == 6
    same = [instance("LLMBulkSensitiveOutput", 5.0, f"u{place}") for place in range(3)]
    assert (propose(same, SPEC).changes, propose(same, SPEC).left) == ((), ("LLMBulkSensitiveOutput",))


def test_the_less_certain_gives_way_first() -> None:
    rule = next(rule for rule in compile_alerts(PAGING) if rule.name == UNCERTAIN)
    stolen = [replace(instance(UNCERTAIN, value, actor), rule=rule) for value, actor in ((4.0, "x"), (9.0, "y"))]
    found = [*spending(60, 70), *stolen]
    # Each alert has two pages in the shift: two have to go.
    assert [(change.alert, change.value) for change in propose(found, PAGING).changes] == [
        ("LLMSpendBurst", 61),
        (UNCERTAIN, 5),
    ]
    assert [(change.alert, change.value) for change in propose(found[1:], PAGING).changes] == [(UNCERTAIN, 5)]


def test_a_change_that_turns_out_to_be_needless_is_taken_back() -> None:
    found = [
        instance("LLMPromptInjectionRepeated", 601.0, "b"),
        instance("LLMJailbreakRepeated", 602.0, "b"),  # the same incident: to raise this alone hides no page
        instance("LLMJailbreakRepeated", 609.0, "d"),
        instance("LLMPromptInjectionRepeated", 601.0, "f"),
    ]
    assert [(change.alert, change.value) for change in propose(found, SPEC).changes] == [
        ("LLMPromptInjectionRepeated", None)
    ]


def test_a_storm_goes_when_too_few_are_over_the_new_threshold() -> None:
    singles = [instance("LLMSpendBurst", 51.0 + place, f"u{place}") for place in range(12)]
    many = [*singles, instance(names.STORM, 12.0, "", family="LLMSpendBurst")]
    assert over(many) == []
    kept = changed(many, {"LLMSpendBurst": 53.0})
    assert sum(one.rule.name == names.STORM for one in kept) == 1
    assert [one.rule.name for one in changed(many, {"LLMSpendBurst": 54.0})].count(names.STORM) == 0
    assert changed(many, {"LLMSpendBurst": None}) == []


def test_an_instance_of_days_falls_into_those_days_that_are_over_the_new_threshold() -> None:
    long = instance("LLMSpendBurst", 90.0, "a", NOON, NOON + 5 * DAY)
    long.daily_worst.update(
        {int(NOON // DAY) + day: (value, NOON + day * DAY) for day, value in ((1, 55.0), (2, 90.0), (4, 80.0))}
    )
    pieces = changed([long], {"LLMSpendBurst": 75.0})
    assert [(one.fired_at, one.value) for one in pieces] == [
        (NOON, 90.0),
        (NOON + 2 * DAY, 90.0),
        (NOON + 4 * DAY, 80.0),
    ]


@pytest.mark.parametrize(
    ("peak", "whole", "value"),
    [
        (50, True, 51),
        (50.5, False, 50.6),
        (0, True, 1),
        (0.1234, False, 0.124),
        (99.95, False, 100),
        (0.95, False, 0.951),  # 0.95 / 0.001 is a little less than 950
        (53.3, False, 53.4),
        (2.0**53, True, 9.01e15),
    ],
)
def test_a_value_above(peak: float, whole: bool, value: float) -> None:
    assert above(peak, whole=whole) == value


instances = st.lists(
    st.builds(
        instance,
        st.sampled_from(("LLMSpendBurst", "LLMJailbreakRepeated", "LLMStolenKeySuspected", "LLMRequestFlood")),
        st.integers(600, 650).map(float),
        st.sampled_from("abcdefgh"),
        st.integers(0, 10).map(lambda place: NOON + place * 7200.0),
    ),
    max_size=25,
    unique_by=lambda one: (one.rule.name, one.labels["actor"]),
)


@given(instances)
def test_what_is_proposed_keeps_to_the_budget_and_no_lower_value_does(found: list[AlertInstance]) -> None:
    proposal = propose(found, SPEC)
    assert proposal.left == ()
    changes = {change.alert: change.value for change in proposal.changes}
    assert over(changed(found, changes)) == []
    assert bool(changes) == bool(over(found))
    for change in proposal.changes:
        assert change.value is None or change.before < change.value <= change.peaks[-1]
        smaller = [peak for peak in change.peaks if change.value is None or peak < change.value]
        assert len(smaller) == change.hidden
        assert over(changed(found, {**changes, change.alert: max(smaller)})) != []


# What has few digits itself is where rounding can go wrong, and what shares of small counts look like.
@given(st.floats(1e-3, 1e9) | st.integers(1, 100_000).map(lambda thousandths: thousandths / 1000))
def test_a_value_above_is_above_and_near(peak: float) -> None:
    value = above(peak, whole=False)
    assert peak < value <= peak * 1.011
    assert math.isfinite(value)


def test_the_check_accepts_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = [instance("LLMStolenKeySuspected", 5.0, f"s{place}", NOON + 40 * DAY) for place in range(3)]
    path = tmp_path / "overlay.yaml"
    path.write_text(overlay(propose([*spending(51.5, 60, 70.25, 71), *same], SPEC), SPEC))
    assert tocsin.main(["check", str(path)]) == 0, capsys.readouterr().out
    spec = load_spec(path)
    assert spec.alerts["LLMSpendBurst"].when.comparison == (">=", 60.1)
    assert spec.alerts["LLMStolenKeySuspected"].maturity == "incubating"
    path.write_text(overlay(propose([], SPEC), SPEC))
    assert load_spec(path) == SPEC
