"""The typed severity spec: what the YAML beside this file means.

Every table is a map from name to entry, so that an overlay can tune, disable or add an entry by its name. Words that
come from a closed list are `Literal`s, so a misspelling fails at load with the place and the nearest word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import msgspec

from spec.duration import Duration

Category = Literal["volumetric", "temporal", "content", "error", "performance", "security"]
Layer = Literal["infrastructure", "platform", "application", "model", "control"]
Anomaly = Literal["input", "output", "behaviour", "system"]
Maturity = Literal["stable", "incubating", "sandbox"]
Owner = Literal["security", "platform"]
SeverityName = Literal["critical", "high", "medium", "low"]
Op = Literal[">=", ">", "<=", "<"]
Stream = Literal["events", "detections", "tool_calls", "rejects", "health", "external"]
Measure = Literal["count", "sum", "distinct", "gauge", "counter"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every entry."""

    RENAMED: ClassVar[Mapping[str, str]] = {}
    """Keys of earlier versions, and what they are called now: an old key is an error that names the new one."""


# ------------------------------------------------------------------------------------------------ what is measured
class Field(Entry, frozen=True):
    """A thing a result can name.

    `values`: a closed set; else `cap` distinct values and then ``other``; `top`: only the worst offenders are ever a
    label. None of the three: never a label.
    """

    help: str
    """What it is, in a sentence."""
    ecs: str
    """Its name in Elastic's Common Schema, or the one that events have."""
    title: str = ""
    """Its heading in tables and pages; empty: its name."""
    cap: int = 0
    top: int = 0
    values: tuple[str, ...] = ()
    filter: int = 0
    """Its place among the choices at the top of every dashboard, from 1 on; 0: none."""
    unbounded: bool = False
    """`true`: an identity, which says who sent a request; there can be any number of them."""
    companion: str = ""
    """The bounded field that always comes with an identity, such as the tenant of an account."""
    merge: Literal["sum", "max"] = "sum"
    """How rules combine the values of several exporters: each counts a part, or one of them counts it whole."""
    pseudonym: bool = False
    """`true`: metrics show a pseudonym of an identity, and `tocsin who` finds its name."""
    caller: bool = False
    """`true`: an identity that attacks are counted for on dashboards. An attempt has at most one of these."""
    client_chosen: bool = False
    """`true`: clients choose an identity, so it can be forged; nobody is ever acted on because of it."""


class Family(Entry, frozen=True):
    """A base metric family: a roll-up of the cell table (or of one of the side tables) to a few labels.

    `measure` names a measure (`spec.vocabulary.MEASURES`) or a side table; `split` makes one series per entry of a
    label from several measures, e.g. ``{direction: {input: input_tokens, output: output_tokens}}``.
    """

    help: str
    """What it counts, in a sentence: the metric's help."""
    type: Literal["counter", "histogram", "gauge"]
    """What Prometheus takes it for."""
    category: Category
    """The dashboard that it belongs to."""
    layer: Layer
    """What it tells of: machines, their platform, the application, the model, or the controls around it."""
    labels: tuple[str, ...] = ()
    """The fields that it is split by; each has its limit in `fields`."""
    measure: str = ""
    split: dict[str, dict[str, str]] = {}
    buckets: tuple[float, ...] = ()
    """Upper ends of a histogram's buckets, in the metric's unit."""
    where: dict[str, tuple[str, ...]] = {}
    """Only what has one of these words in the dimension; several must all hold."""


class HealthMetric(Entry, frozen=True):
    """A metric of the bundle's own health (`tocsin_*`) or of the process."""

    help: str
    """What it tells, in a sentence: the metric's help."""
    type: Literal["counter", "gauge"]
    """What Prometheus takes it for."""
    labels: tuple[str, ...] = ()
    """The labels that it has."""


class ExternalMetric(Entry, frozen=True):
    """A metric that another exporter publishes; named so that rules and panels over it can be checked."""

    help: str
    """What it tells, in a sentence."""
    exporter: str
    """Who publishes it, such as node_exporter."""
    labels: tuple[str, ...] = ()
    """The labels of it that rules and panels may use."""


class Signal(Entry, frozen=True):
    """What adds up: a measure over a sliding event-time window, per member of the `by` field.

    Published as the gauge ``llm_<name>{<by>}``. For `stream: health | external` the value of `metric` is read instead
    (`measure` says whether it is a gauge or a counter), and `where` are label matchers. `where` selects events by their
    bounded dimensions (any of the words); `at_least` by a numeric column. `answered`: also publish
    ``llm_<name>_answered``, the part of the hits whose attempt was answered by the model (neither blocked nor failed).
    """

    help: str
    """What adds up, in a sentence: the metric's help."""
    category: Category
    """The dashboard that it belongs to."""
    layer: Layer
    """What it is a sign of: machines, their platform, the application, the model, or the controls around it."""
    anomaly: Anomaly
    """What is unusual when it is high: what came in, what went out, somebody's behaviour, or the system."""
    stream: Stream = "events"
    """What is looked at: attempts (`events`), hits of content rules, tool calls, unreadable records, or a metric."""
    measure: Measure = "count"
    field: str = ""
    """What is summed, or of what distinct values are counted."""
    where: dict[str, tuple[str, ...]] = {}
    at_least: dict[str, float] = {}
    by: str = ""
    window: Duration = Duration(0)
    """How far back it adds up, in event time."""
    metric: str = ""
    unit: str = ""
    """What the value is in, such as tokens or usd; empty for a plain number."""
    answered: bool = False
    no_alert: str = ""
    """Why no alert looks at it, when that is on purpose."""


# ------------------------------------------------------------------------------------------------ when it matters
class Condition:
    """When an alert is true: what all techniques have in common. Each is a folder of ``alerts/techniques/``.

    `SIGNALS` are the keys that name signals; the alert has the labels of the first. Of those in `ESTIMATED` an estimate
    of how much they grew is enough. `TUNABLE` are the keys that people
    tune; `LIMIT` is the one of which a program may propose another value, "" when none is for a program to choose.
    `COUNTS_GROUPS`: the signal itself is compared, so it can be counted who is over. `ONE_MOMENT`: the signals have to
    be of the same moment, so they are shown without peaks.
    """

    __slots__ = ()
    SIGNALS: ClassVar[tuple[str, ...]] = ("signal",)
    ESTIMATED: ClassVar[tuple[str, ...]] = ()
    TUNABLE: ClassVar[tuple[str, ...]] = ()
    LIMIT: ClassVar[str] = ""
    COUNTS_GROUPS: ClassVar[bool] = False
    ONE_MOMENT: ClassVar[bool] = False

    @property
    def comparison(self) -> tuple[Op, float]:
        """How what is compared compares with the limit, and that limit or the lowest one that there can be."""
        raise NotImplementedError

    @property
    def ages(self) -> bool:
        """Whether the first signal is a Unix time, of which the age is compared."""
        return False

    @property
    def least_whole(self) -> float:
        """Of a share, how much there has to be of the whole; else 0."""
        return 0.0

    @property
    def signals(self) -> tuple[tuple[str, str], ...]:
        """The signals that are looked at, as (key, name)."""
        found = ((key, str(getattr(self, key))) for key in self.SIGNALS)
        return tuple((key, name) for key, name in found if name)


class Alert(Entry, frozen=True):
    """When a signal becomes somebody's business.

    The runbook page prints `why` (why this threshold) and `triage` (what to check, in order). `one_shot`: the event is
    over once it is seen, so the alert is latched until after the last escalation tier. `fold`: from this many groups
    on, an ``LLMAlertStorm`` replaces the single alerts.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"look_at": "triage"}

    severity: SeverityName
    """How bad: it picks the escalation and the SLA."""
    owner: Owner
    """Who is asked: it picks the channels."""
    incident: str
    """What sort of incident it opens: a name in `incidents`."""
    when: Condition
    """The condition: a technique and what it needs."""
    summary: str
    """One line, the title of the page. {actor}, {tenant} and the other labels of the signal are filled in."""
    meaning: str
    """What has happened, for somebody who was just woken."""
    impact: str
    """What harm it can do."""
    why: str
    triage: tuple[str, ...]
    false_positives: tuple[str, ...] = ()
    """What else can look like it."""
    maturity: Maturity = "stable"
    """`stable` pages as its severity says, `incubating` goes to chat only, `sandbox` is off."""
    confidence: Literal["low", "medium", "high"] = "medium"
    """How sure it is that something happened. Only what is `high` is ever acted on without a person."""
    one_shot: bool = False
    for_: Duration = msgspec.field(default=Duration(0), name="for")
    """How long the condition has to hold before it alerts."""
    keep_firing_for: Duration = Duration(0)
    """How long it goes on after the condition was last true, so that a value that moves around its limit pages once."""
    enabled: bool = True
    """`false` switches it off."""
    fold: int = 0
    atlas: tuple[str, ...] = ()
    """Techniques of MITRE ATLAS, such as AML.T0054."""
    attack: tuple[str, ...] = ()
    """Techniques of MITRE ATT&CK, such as T1110.001."""
    owasp: tuple[str, ...] = ()
    """Entries of OWASP's lists, such as LLM01:2025 or ASI03."""
    skip: dict[str, str] = {}
    """Backends that do not have it, each with the reason."""


# -------------------------------------------------------------------------------------- how much, who is notified
class Sla(Entry, frozen=True):
    """How soon, counted from the first page."""

    acknowledge: Duration
    """Until somebody says that it is theirs."""
    resolve: Duration
    """Until it is over."""
    contain: Duration | None = None
    """Until the harm has stopped."""
    update_every: Duration | None = None
    """How often people get a status update."""
    review: Duration | None = None
    """Until it was looked back at."""


class Severity(Entry, frozen=True):
    """`order` 1 is the most severe. `page`: always, never, or the name of a calendar."""

    order: int
    page: str
    escalation: dict[Owner, str]
    """The escalation of each owner: a name in `escalations`."""
    sla: Sla
    """How soon somebody has to act."""


class Channel(Entry, frozen=True):
    """A way to reach people. `secret` is the name of a file under the secrets folder; never the secret itself."""

    type: Literal["pagerduty", "slack", "email", "webhook"]
    """What delivers it."""
    secret: str = ""
    target: str = ""
    """The Slack channel, the mail address, or the address of a webhook, which must hold no secret."""
    pages: bool = False
    """`true`: it wakes somebody, and counts against the page budget."""


class Tier(Entry, frozen=True):
    """A step of an escalation: `after` counts from the first page."""

    after: Duration
    notify: tuple[str, ...]
    """The channels to notify; naming one again is a new page."""
    unless: Literal["acknowledged", "contained", ""] = ""
    """The tier stays silent once this is so."""
    during: str = ""
    """The hours in which it speaks: a name in `calendars`; empty for always."""


class Escalation(Entry, frozen=True):
    """Who is notified, and who next."""

    tiers: tuple[Tier, ...]
    """The steps, the first at once."""


class Calendar(Entry, frozen=True):
    """Hours of the week in a time zone, e.g. office hours."""

    timezone: str
    """A name of the time zone database, such as Europe/Paris."""
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...]
    """The days of the week."""
    from_: str = msgspec.field(name="from")
    """When it begins, such as 08:00."""
    to: str = ""
    """When it ends, such as 18:00 or 24:00."""


class IncidentType(Entry, frozen=True):
    """What sort of incident an alert opens; `entity` is the label that the incident key is built from."""

    title: str
    """Its name for people."""
    entity: str = ""


class GatewayLog(Entry, frozen=True):
    """Where things are in a gateway's log, for runbooks."""

    title: str
    """The gateway's name for people."""
    log: dict[str, str] = {}
    """What a runbook asks for (``prompt``) and the field that has it, as Markdown."""


class Settings(Entry, frozen=True):
    """One value each; see the comments in ``defaults.yaml``."""

    scrape_interval: Duration
    evaluation_interval: Duration
    """How often Prometheus evaluates the rules."""
    latch_margin: Duration
    repeat_interval: Duration
    offhours_calendar: str
    page_budget_per_shift: int
    shift: Duration
    """How long one person is on call; the page budget is for so long."""
    runbook_base_url: str
    dashboard_base_url: str
    """Where the dashboards are served; the dashboard's id is appended."""
    severity_words: dict[SeverityName, str]
    none_word: str
    secrets_folder: str
    smtp_smarthost: str = "localhost:25"
    smtp_from: str = "tocsin@example.org"
    """Who e-mails come from, and who logs in to send them."""
    baseline_step: Duration = Duration(300)
    time_scale: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    max_series: int = 20_000
    exporters: Annotated[int, msgspec.Meta(ge=0)] = 0
    """How many exporters there should be. 0: as many as Prometheus has targets."""
    extra_labels: dict[str, str] = {}


class Metadata(Entry, frozen=True):
    """Who keeps the spec, and the editions of the frameworks that it names."""

    name: str
    """What this spec is called."""
    owner: str
    """Who answers for it."""
    reviewed: str
    """When it was last looked through: a date, such as 2026-03-01."""
    review_every: Duration
    """How soon it is to be looked through again."""
    atlas: str
    owasp_llm: str
    owasp_agentic: str
    attack: str = ""


class Spec(Entry, frozen=True):
    """The whole severity spec, overlays merged, durations scaled."""

    metadata: Metadata
    settings: Settings
    fields: dict[str, Field]
    families: dict[str, Family]
    health: dict[str, HealthMetric]
    external: dict[str, ExternalMetric]
    signals: dict[str, Signal]
    alerts: dict[str, Alert]
    severities: dict[SeverityName, Severity]
    channels: dict[str, Channel]
    escalations: dict[str, Escalation]
    calendars: dict[str, Calendar]
    incidents: dict[str, IncidentType]
    gateways: dict[str, GatewayLog] = {}
