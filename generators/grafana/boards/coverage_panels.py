"""Whether Tocsin is watching, why not, and what nobody looked at: without these a quiet dashboard proves nothing.

They are never filtered, and exporters are not merged: one that is fine must not hide one that is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from alerts.series import signal_series
from generators.grafana.colours import HARM, WATCH, WELL
from generators.grafana.expressions import promql
from generators.grafana.panel_data import Column, Stat, Table
from generators.grafana.query_builder import RANGE, QueryBuilder, is_
from generators.prometheus.promql import number

_SILENT: Final = ("TocsinFeedSilent", "TocsinSourceSilent")
"""Alerts on feeds that tell nothing although there is something to tell."""


def _obstacles(q: QueryBuilder) -> str:
    """What keeps Tocsin from watching, a series each, with the reason in the label ``why``."""
    parts = []
    for why, alert, query in _reasons(q):
        named = _labelled(query, "why", why)
        parts.append(_labelled(named, "alertname", alert) if alert in q.spec.alerts else named)
    return "\nor ".join(parts)


def _reasons(q: QueryBuilder) -> Iterator[tuple[str, str, str]]:
    """The reason in words, the alert whose runbook helps ("": the series names it), and where it holds."""
    q.definition("exporter_up")
    jobs = ",".join(is_(**{label: value}) for label, value in signal_series(q.spec, "exporter_up").matchers)
    up = q.series("up", jobs, variables=())
    expected = q.spec.settings.exporters
    yield "exporter does not answer", "TocsinDown", f"{up} == 0"
    yield "no exporter known", "TocsinDown", f"absent({up})"
    if expected:
        missing = f"{expected} - (count({up} == 1) or vector(0)) > 0"
        yield f"fewer than {expected} exporters", "TocsinDown", missing
    unreadable = f"{q.series('tocsin_source_up', variables=())} == 0"
    yield "source unreadable", "TocsinSourceUnreadable", unreadable
    limit = q.limit("feed_lag")
    if limit is not None:
        lag = f"{q.series('tocsin_feed_lag_seconds', variables=())} >= {number(limit)}"
        yield "reading far behind", "TocsinFeedLagging", lag
    yield (
        "files not looked into yet",
        "TocsinFeedLagging",
        f"{q.series('tocsin_files_waiting', variables=())} > 0",
    )
    troubled = f"{q.series('tocsin_hook_unhealthy_writers', variables=())} > 0"
    yield "gateway cannot log all", "TocsinHookInTrouble", troubled
    for alert in _SILENT:
        yield "feed silent", "", f"ALERTS{{{is_(alertname=alert)}}}"


def _unseen(q: QueryBuilder, *, records_only: bool = False) -> str:
    """What nobody looked at over the range, by source, with the words for it in the label ``what``.

    In records; what is counted in characters and accounts comes as well, unless it is to be `records_only`.
    """

    def grown(metric: str, *by: str) -> str:
        labels = ", ".join(("source", *by))
        return f"round(sum by ({labels}) (increase({q.series(metric, variables=())}[{RANGE}]))) > 0"

    parts: tuple[str, ...] = (
        _joined(grown("tocsin_records_rejected_total", "reason"), "rejected:", "reason"),
        _joined(grown("tocsin_records_without_field_total", "field"), "no", "field"),
        _joined(
            grown("tocsin_content_unread_total", "side", "call_type"), "words not understood:", "side", "call_type"
        ),
        _joined(grown("tocsin_content_matches_skipped_total", "reason"), "matches of content rules:", "reason"),
        _labelled(grown("tocsin_feed_records_lost_total"), "what", "lost before they were read"),
        _labelled(grown("tocsin_hook_content_lost_total"), "what", "content that the hook left out"),
    )
    if not records_only:
        skipped = grown("tocsin_content_chars_skipped_total", "channel")
        parts = (*parts, _joined(skipped, "characters beyond the budget:", "channel"))
        if q.has("skipped_content"):
            series = q.signal("skipped_content", variables=())
            parts = (*parts, _labelled(f"count({series} > 0)", "what", "accounts that sent more text than rules read"))
    return "\nor ".join(parts)


def _share(q: QueryBuilder) -> str:
    """What of it are records, as a share of all records."""
    read, rejected = (
        f"sum by (source) (increase({q.series(metric, variables=())}[{RANGE}]))"
        for metric in ("tocsin_records_read_total", "tocsin_records_rejected_total")
    )
    return f"(\n{_unseen(q, records_only=True)}\n)\n/ on (source) group_left ()\n({read} + {rejected} > 0)"


def _labelled(query: str, label: str, value: str) -> str:
    """`query` with a label more."""
    return f'label_replace({query}, "{label}", "{value}", "", "")'


def _joined(query: str, before: str, *labels: str) -> str:
    """`query` with the label ``what``: a word, and the values of other labels."""
    joined = ", ".join(f'"{label}"' for label in labels)
    return f'label_join({_labelled(query, "word", before)}, "what", " ", "word", {joined})'


WATCHING: Final = Stat(
    "Tocsin is watching",
    "Yes, only if every exporter answers, every source can be read and is understood, nothing lags and no feed is "
    "silent. If NO, a quiet dashboard proves nothing; the overview says why.",
    {"watching": promql("(count(\n%s\n) or vector(0)) == bool 0", _obstacles)},
    width=3,
    steps=((None, HARM), (1, WELL)),
    words={"1": ("yes", WELL), "0": ("NO", HARM)},
)
WHY_NOT: Final = Table(
    "Why Tocsin is not watching",
    "Everything that keeps Tocsin from seeing all traffic now, by exporter and source. Click an alert to open its "
    "runbook.",
    [_obstacles],
    [
        Column("why", "Why not"),
        Column("source", "Source", width=90),
        Column("instance", "Exporter", width=130),
        Column("alertname", "Runbook", width=150, runbook=True),
    ],
    width=12,
    height=6,
    sort="why",
    descending=False,
    no_value="Tocsin is watching: nothing is in its way.",
)
UNSEEN: Final = Table(
    "What nobody looked at",
    "Records over the time range that Tocsin could not read, or in which a field was missing, by source. Rules that "
    "need such a field saw nothing in them. Share: of all records of the source.",
    [_unseen, _share],
    [
        Column("what", "What"),
        Column("source", "Source", width=130),
        Column(0, "How many", width=100),
        Column(1, "Share", unit="percentunit", width=160, bar=WATCH),
    ],
    width=12,
    height=6,
    sort="Value #B",
    no_value="Every record that came was read, with all fields that alerts need.",
)
