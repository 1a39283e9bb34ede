"""The typed severity spec: what the YAML beside this file means.

Every table is a map from name to entry, so that an overlay can tune, disable or add an entry by its name. Words that
come from a closed list are `Literal`s, so a misspelling fails at load with the place and the nearest word.
"""

from __future__ import annotations

from typing import Annotated, Literal

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


# ------------------------------------------------------------------------------------------------ what is measured
class Field(Entry, frozen=True):
    """A thing a result can name.

    `values`: a closed set; else `cap` distinct values and then ``other``; `top`: only the worst offenders are ever a
    label (per-actor signals). None of the three: never a label.
    """

    help: str
    ecs: str
    cap: int = 0
    top: int = 0
    values: tuple[str, ...] = ()


class Family(Entry, frozen=True):
    """A base metric family: a roll-up of the cell table (or of one of the side tables) to a few labels.

    `measure` names a measure (`spec.vocabulary.MEASURES`) or a side table; `split` makes one series per entry of a
    label from several measures, e.g. ``{direction: {input: input_tokens, output: output_tokens}}``.
    """

    help: str
    type: Literal["counter", "histogram", "gauge"]
    category: Category
    layer: Layer
    labels: tuple[str, ...] = ()
    measure: str = ""
    split: dict[str, dict[str, str]] = {}
    buckets: tuple[float, ...] = ()
    where: dict[str, tuple[str, ...]] = {}


class HealthMetric(Entry, frozen=True):
    """A metric of the bundle's own health (`tocsin_*`) or of the process."""

    help: str
    type: Literal["counter", "gauge"]
    labels: tuple[str, ...] = ()


class ExternalMetric(Entry, frozen=True):
    """A metric that another exporter publishes; named so that rules and panels over it can be checked."""

    help: str
    exporter: str
    labels: tuple[str, ...] = ()


class Signal(Entry, frozen=True):
    """What adds up: a measure over a sliding event-time window, per member of the `by` field.

    Published as the gauge ``llm_<name>{<by>}``. For `stream: health | external` the value of `metric` is read instead
    (`measure` says whether it is a gauge or a counter), and `where` are label matchers. `where` selects events by their
    bounded dimensions (any of the words); `at_least` by a numeric column. `answered`: also publish
    ``llm_<name>_answered``, the part of the hits whose attempt was answered by the model (neither blocked nor failed).
    """

    help: str
    category: Category
    layer: Layer
    anomaly: Anomaly
    stream: Stream = "events"
    measure: Measure = "count"
    field: str = ""
    where: dict[str, tuple[str, ...]] = {}
    at_least: dict[str, float] = {}
    by: str = ""
    window: Duration = Duration(0)
    metric: str = ""
    unit: str = ""
    answered: bool = False
    no_alert: str = ""
    """Why no alert looks at it, when that is on purpose."""


# ------------------------------------------------------------------------------------------------ when it matters
class Threshold(Entry, frozen=True, tag="threshold", tag_field="technique"):
    """The signal compares with a value."""

    signal: str
    op: Op = ">="
    value: float = 1.0


class Ratio(Entry, frozen=True, tag="ratio", tag_field="technique"):
    """One signal's share of another, both by the same field, with a floor on the denominator."""

    numerator: str
    denominator: str
    min_denominator: float
    op: Op = ">="
    value: float = 0.0


class Rule(Entry, frozen=True, tag="rule", tag_field="technique"):
    """One hit of a detection is enough."""

    signal: str


class Baseline(Entry, frozen=True, tag="baseline", tag_field="technique"):
    """The signal is far above its own history: at least `deviations` standard deviations over its mean, and `floor`.

    The history is sampled each `settings.baseline_step`, is `history` long, and ends before what is judged began: the
    signal's window, the alert's `for` and two steps ago. A group that was over 0 within it counts as 0 while it is
    quiet. So that a flat history does not make everything fire, the deviation counts as at least 20 % of the floor and
    10 % of the mean. Of whom less than `min_history` is known, `floor_only` fires from the floor on, `silent` never.
    """

    signal: str
    floor: float
    deviations: float = 5.0
    history: Duration = Duration(7 * 86400)
    min_history: Duration = Duration(86400)
    cold_start: Literal["floor_only", "silent"] = "silent"


class Absence(Entry, frozen=True, tag="absence", tag_field="technique"):
    """A heartbeat is missing or stands still: it is below `below`, or it is a Unix time older than `older_than`.

    With `busy`, only while that counter, which somebody else keeps, grew by `busy_at_least` or more within
    `older_than`: so that silence alone never alerts. A heartbeat with groups needs a counter by the same field, and one
    that has gone altogether is not missed.
    """

    signal: str
    below: float = 0.0
    older_than: Duration = Duration(0)
    busy: str = ""
    busy_at_least: float = 0.0


When = Threshold | Ratio | Rule | Baseline | Absence


class Alert(Entry, frozen=True):
    """When a signal becomes somebody's business.

    `why` says why this threshold; `look_at` what to look at first: both are printed in the runbook page. `one_shot`:
    the event is over when it is seen, so the alert is latched past the last escalation tier. `fold`: from this many
    groups at once on, an ``LLMAlertStorm`` replaces the single alerts.
    """

    severity: SeverityName
    owner: Owner
    incident: str
    when: When
    summary: str
    meaning: str
    impact: str
    why: str
    look_at: tuple[str, ...]
    false_positives: tuple[str, ...] = ()
    maturity: Maturity = "stable"
    confidence: Literal["low", "medium", "high"] = "medium"
    one_shot: bool = False
    for_: Duration = msgspec.field(default=Duration(0), name="for")
    enabled: bool = True
    fold: int = 0
    atlas: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()
    owasp: tuple[str, ...] = ()
    skip: dict[str, str] = {}


# ------------------------------------------------------------------------------------------------ how much, who hears
class Sla(Entry, frozen=True):
    """How soon, counted from the first page."""

    acknowledge: Duration
    resolve: Duration
    contain: Duration | None = None
    update_every: Duration | None = None
    review: Duration | None = None


class Severity(Entry, frozen=True):
    """`order` 1 is the gravest. `page`: always, never, or the name of a calendar."""

    order: int
    page: str
    escalation: dict[Owner, str]
    sla: Sla


class Channel(Entry, frozen=True):
    """A way to reach people. `secret` is the name of a file under the secrets folder; never the secret itself."""

    type: Literal["pagerduty", "slack", "email", "webhook"]
    secret: str = ""
    target: str = ""
    pages: bool = False


class Tier(Entry, frozen=True):
    """A step of an escalation: `after` counts from the first page."""

    after: Duration
    notify: tuple[str, ...]
    unless: Literal["acknowledged", "contained", ""] = ""
    during: str = ""


class Escalation(Entry, frozen=True):
    """Who hears, and who next."""

    tiers: tuple[Tier, ...]


class Calendar(Entry, frozen=True):
    """Hours of the week in a time zone, e.g. office hours."""

    timezone: str
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...]
    from_: str = msgspec.field(name="from")
    to: str = ""


class IncidentType(Entry, frozen=True):
    """What sort of incident an alert opens; `entity` is the label that the incident key is built from."""

    title: str
    entity: str = ""


class Settings(Entry, frozen=True):
    """One value each; see the comments in ``defaults.yaml``."""

    scrape_interval: Duration
    evaluation_interval: Duration
    latch_margin: Duration
    repeat_interval: Duration
    offhours_calendar: str
    page_budget_per_shift: int
    shift: Duration
    runbook_base_url: str
    dashboard_base_url: str
    severity_words: dict[SeverityName, str]
    none_word: str
    secrets_folder: str
    smtp_smarthost: str = "localhost:25"
    smtp_from: str = "tocsin@example.org"
    baseline_step: Duration = Duration(300)
    time_scale: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    max_series: int = 20_000
    extra_labels: dict[str, str] = {}


class Metadata(Entry, frozen=True):
    """Who keeps the spec, and the editions of the frameworks that it names."""

    name: str
    owner: str
    reviewed: str
    review_every: Duration
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
