"""From alert instances to pages: each rule of routing by example, and what holds for all of them."""

import math
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerts import AlertInstance, compile_alerts
from alerts.incidents import Hours, Incident, incidents, key_of, storm_of, without
from replay.shifts import Shifts, duties
from spec import Spec, load_spec, names

SPEC = load_spec()
RULES = compile_alerts(SPEC)
PARIS = ZoneInfo("Europe/Paris")
NOON = datetime(2026, 11, 17, 12, tzinfo=PARIS).timestamp()  # a Tuesday
HOUR = 3600.0


def instance(
    name: str, at: float = NOON, until: float | None = NOON + 8 * HOUR, family: str = "", **labels: str
) -> AlertInstance:
    rule = next(rule for rule in RULES if rule.name == name and rule.family == (family or name))
    return AlertInstance(rule, labels, at, 12.0, None, until)


def jailbreak(actor: str = "alice", at: float = NOON, until: float | None = NOON + 8 * HOUR) -> AlertInstance:
    return instance("LLMJailbreakRepeated", at, until, actor=actor, tenant="lab")


def storm(at: float, until: float | None) -> AlertInstance:
    return instance(names.STORM, at, until, "LLMJailbreakRepeated", alert="LLMJailbreakRepeated")


def paged(*instances: AlertInstance, spec: Spec = SPEC) -> list[tuple[str, float, str]]:
    """Incident, minutes from noon, channel of each certain page."""
    return [
        (incident.key, (page.at - NOON) / 60, page.channel)
        for incident in incidents(instances, spec)
        for page in incident.pages
    ]


def later(*instances: AlertInstance) -> list[tuple[int, float, str]]:
    return [
        (page.tier, (page.at - NOON) / 60, page.channel)
        for incident in incidents(instances, SPEC)
        for page in incident.later
    ]


def test_an_alert_pages_who_its_first_tier_names_and_nobody_in_a_chat() -> None:
    assert paged(jailbreak()) == [("prompt_injection/alice", 0, "pager-security")]


def test_alerts_of_one_incident_are_one_page() -> None:
    injection = instance("LLMPromptInjectionRepeated", NOON + HOUR, actor="alice", tenant="lab")
    assert paged(jailbreak(), injection) == [("prompt_injection/alice", 0, "pager-security")]
    (incident,) = incidents([jailbreak(), injection], SPEC)
    assert [member.rule.name for member in incident.instances] == ["LLMJailbreakRepeated", "LLMPromptInjectionRepeated"]


def test_another_account_another_severity_and_a_later_time_are_pages_of_their_own() -> None:
    again = jailbreak(at=NOON + 20 * HOUR, until=NOON + 22 * HOUR)
    assert [entry[:2] for entry in paged(jailbreak(), again, jailbreak("bob"))] == [
        ("prompt_injection/alice", 0),
        ("prompt_injection/bob", 0),
        ("prompt_injection/alice", 20 * 60),
    ]


def test_what_begins_again_before_the_next_notification_is_the_same_page() -> None:
    assert len(paged(jailbreak(until=NOON + 100), jailbreak(at=NOON + 159, until=None))) == 1
    assert len(paged(jailbreak(until=NOON + 100), jailbreak(at=NOON + 160, until=None))) == 2


def test_a_storm_speaks_for_its_single_alerts_and_for_no_others() -> None:
    many = [jailbreak(f"user-{place}") for place in range(12)]
    pages = paged(*many, storm(NOON, NOON + 9 * HOUR), instance("LLMSpendBurst", actor="x", tenant="y"))
    assert sorted(pages) == [
        ("budget_abuse/x", 0, "pager-security"),
        ("prompt_injection/LLMJailbreakRepeated", 0, "pager-security"),
    ]


def test_single_alerts_before_a_storm_and_those_that_outlive_it_page() -> None:
    early, during = jailbreak("early", NOON - 60), jailbreak("during", NOON + 60)
    pages = paged(early, during, storm(NOON, NOON + HOUR))
    assert ("prompt_injection/early", -1, "pager-security") in pages
    assert ("prompt_injection/during", 60, "pager-security") in pages


def test_incubating_alerts_page_nobody_at_any_tier() -> None:
    assert incidents([instance("LLMIndirectInjectionSeen", actor="a", tenant="b")], SPEC) == ()


def test_a_medium_alert_pages_only_if_nobody_acknowledges_and_in_business_hours() -> None:
    flood = instance("LLMRequestFlood", NOON + 8.5 * HOUR, NOON + 24 * HOUR, actor="a", tenant="b")
    assert paged(flood) == []
    assert later(flood) == [(2, 20 * 60, "pager-platform")]  # half past midnight waits until eight
    assert later(replace(flood, resolved_at=NOON + 19 * HOUR)) == []


def test_a_page_waits_for_the_hours_of_its_severity() -> None:
    severities = {**SPEC.severities, "high": msgspec.structs.replace(SPEC.severities["high"], page="business")}
    spec = msgspec.structs.replace(SPEC, severities=severities)
    night = jailbreak(at=NOON + 10 * HOUR, until=NOON + 30 * HOUR)
    assert paged(night, spec=spec) == [("prompt_injection/alice", 20 * 60, "pager-security")]
    assert paged(replace(night, resolved_at=NOON + 19 * HOUR), spec=spec) == []


def test_later_tiers_come_at_their_time_while_it_still_fires() -> None:
    assert later(jailbreak()) == [(2, 15, "pager-security"), (2, 15, "pager-platform"), (3, 120, "exec-bridge")]
    assert later(jailbreak(until=NOON + 16 * 60)) == [(2, 15, "pager-security"), (2, 15, "pager-platform")]
    assert len(later(jailbreak(until=None))) == 3


def test_a_label_that_looks_like_a_placeholder_is_none() -> None:
    assert key_of(jailbreak("{tenant}")) == "prompt_injection/{tenant}"


def test_while_a_storm_is_up_nobody_is_notified_of_a_single_alert() -> None:
    """In a replay and on a pager alike: the storm that is up when an alert begins speaks for it."""
    single = jailbreak(at=NOON)
    up, over, coming = storm(NOON - HOUR, None), storm(NOON - 3 * HOUR, NOON), storm(NOON + 1, None)
    assert storm_of(single, [over, coming, up]) is up
    assert storm_of(single, [over, coming]) is None
    assert storm_of(up, [up]) is None


def test_shifts_begin_at_midnight_of_the_calendars_zone_and_follow_its_clocks() -> None:
    shifts = Shifts(SPEC)
    shift = shifts.of(NOON)
    assert (shift.begin, shift.end) == (NOON - 4 * HOUR, NOON + 4 * HOUR)
    summer = datetime(2026, 3, 29, 5, tzinfo=PARIS).timestamp()
    assert shifts.of(summer).end - shifts.of(summer).begin == 7 * HOUR


def test_a_long_shift_begins_on_a_monday() -> None:
    settings = msgspec.structs.replace(SPEC.settings, shift=type(SPEC.settings.shift)(7 * 86_400))
    shift = Shifts(msgspec.structs.replace(SPEC, settings=settings)).of(NOON)
    assert datetime.fromtimestamp(shift.begin, PARIS).strftime("%a %H:%M") == "Mon 00:00"
    assert shift.end - shift.begin == 7 * 86_400


@given(st.integers(0, 400 * 86_400), st.integers(60, 20 * 86_400))
def test_every_time_is_in_exactly_one_shift_and_shifts_follow_each_other(after: int, length: int) -> None:
    settings = msgspec.structs.replace(SPEC.settings, shift=type(SPEC.settings.shift)(max(length, 3600)))
    shifts = Shifts(msgspec.structs.replace(SPEC, settings=settings))
    at = NOON + after
    listed = list(shifts.between(at, at + 3 * length))
    assert listed[0] == shifts.of(at)
    assert listed[-1].end > at + 3 * length
    assert all(one.end == two.begin for one, two in pairwise(listed))


spans = st.tuples(st.integers(0, 50), st.integers(1, 30)).map(lambda span: (float(span[0]), float(span[0] + span[1])))


@given(spans, st.lists(spans, max_size=5))
def test_what_is_left_of_a_span_is_what_is_in_no_hole(
    span: tuple[float, float], holes: list[tuple[float, float]]
) -> None:
    left = without(span, holes)
    for moment in range(90):
        inside = span[0] <= moment < span[1] and not any(first <= moment < last for first, last in holes)
        assert inside == any(first <= moment < last for first, last in left)


KINDS = ("LLMJailbreakRepeated", "LLMPromptInjectionRepeated", "LLMCanaryLeaked", "LLMRequestFlood", "LLMSpendBurst")


@st.composite
def some_instances(draw: st.DrawFn) -> list[AlertInstance]:
    """Episodes of some accounts, some of them in storms; one alert of one account does not overlap itself."""
    out = []
    for name in KINDS:
        for actor in draw(st.sets(st.sampled_from("abc"))):
            at = NOON
            for _ in range(draw(st.integers(1, 3))):
                at += 15.0 * draw(st.integers(1, 400))
                until = at + 15.0 * draw(st.integers(1, 2000))
                out.append(instance(name, at, until, actor=actor, tenant="t"))
                at = until
    if draw(st.booleans()):
        at = NOON + 15.0 * draw(st.integers(0, 1000))
        out.append(storm(at, at + 15.0 * draw(st.integers(1, 1000))))
    return out


def fires(members: list[AlertInstance], at: float) -> bool:
    return any(member.fired_at <= at < (member.resolved_at or math.inf) for member in members)


@given(some_instances(), st.randoms())
def test_pages_of_any_instances(found: list[AlertInstance], random: object) -> None:
    made = incidents(found, SPEC)
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _told(incidents(shuffled, SPEC)) == _told(made)
    storms = [member for member in found if member.rule.name == names.STORM]
    hours = Hours(SPEC)
    for incident in made:
        members = list(incident.instances)
        assert {key_of(member) for member in members} == {incident.key}
        for page in (*incident.pages, *incident.later):
            assert SPEC.channels[page.channel].pages
            assert fires(members, page.at)
            assert incident.begin + page.after <= page.at < (incident.end or math.inf)
            if incident.severity == "medium":
                assert hours.from_(page.at, "business") == page.at
            if all(member.rule.family == "LLMJailbreakRepeated" and member not in storms for member in members):
                assert not fires(storms, page.at)
    torn = sum(member.rule.family == "LLMJailbreakRepeated" for member in found) if storms else 0
    assert sum(len(incident.pages) for incident in made) <= len(found) + torn  # before a storm, and after it
    for member in found:
        held = member.rule.family == "LLMJailbreakRepeated" and member not in storms and fires(storms, member.fired_at)
        if member.rule.pages and not held:
            assert any(
                incident.key == key_of(member)
                and incident.severity == member.rule.alert.severity
                and incident.begin <= member.fired_at
                and any(page.at <= member.fired_at for page in incident.pages)
                and (incident.end or math.inf) > member.fired_at
                for incident in made
            )


def _told(made: tuple[Incident, ...]) -> list[tuple[object, ...]]:
    return sorted((one.key, one.severity, one.begin, one.end, one.pages, one.later) for one in made)


@given(some_instances())
def test_each_page_is_the_duty_of_one_channel_in_one_shift(found: list[AlertInstance]) -> None:
    made = incidents(found, SPEC)
    shared = duties(made, Shifts(SPEC))
    assert sum(map(len, shared.values())) == sum(len(incident.pages) for incident in made)
    for (channel, shift), pages in shared.items():
        assert all(page.channel == channel and shift.begin <= page.at < shift.end for page, _ in pages)
    assert duties(made, Shifts(SPEC), until=NOON - 1) == {}
