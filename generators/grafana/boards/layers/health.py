"""Tocsin itself: whether what this dashboard shows is complete and recent."""

from __future__ import annotations

from typing import Final

from generators.grafana.colours import CALM, HARM, LINE, PLAIN, WATCH, WELL
from generators.grafana.expressions import above_zero, gauge, increase, promql, rate, series, signal
from generators.grafana.form import Steps
from generators.grafana.panel_data import Graph, Stat, threshold_of
from generators.grafana.panels import Panel
from generators.grafana.query_builder import QueryBuilder, is_

_NONE_IS_WELL: Final[Steps] = ((None, WELL), (1, WATCH))
_READ: Final = "tocsin_records_read_total"
_STATES: Final = {
    "running": WELL,
    "stopping": PLAIN,
    "stopped": PLAIN,
    "stuck": HARM,
    "dead": WATCH,
    "unreadable": WATCH,
}
"""What a hook's worker process can be, and its colour."""

LAG: Final = Graph(
    "Reading behind, by source",
    "How far Tocsin is behind the log. Alerts are late by this much. Dashed line: the alert's threshold.",
    {"{{source}}": signal("feed_lag")},
    width=6,
    unit="s",
    limit="feed_lag",
    levels=threshold_of("feed_lag"),
)
UNREAD: Final = Graph(
    "Bytes that wait to be read, by source",
    "Shrinking: Tocsin works through a backlog; wait. Growing: the gateway writes faster than Tocsin reads.",
    {"{{source}}": gauge("sum", "tocsin_unread_bytes", by=["source"])},
    width=6,
    unit="bytes",
    levels=((None, LINE),),
)
RECORDS: Final = Graph(
    "Records per second",
    "Records read, and records rejected by reason. Rejected records are not monitored.",
    {
        "read": rate(_READ),
        "rejected: {{reason}}": above_zero(rate("tocsin_records_rejected_total", by=["reason"])),
    },
    width=6,
    shade=WATCH,
    colours={"read": WELL},
)
GIVEN: Final = Graph(
    "Given to hooks, and read",
    "Records per second that gateways gave to their hooks (as the hooks report), and records that Tocsin read, by "
    "source. If the first continues without the second, the log is not written or not read. A source without a hook "
    "shows only the second.",
    {"{{source}}: given": signal("hook_records"), "{{source}}: read": rate(_READ, by=["source"])},
    width=6,
)
REJECTED: Final = Stat(
    "Rejected in {window[rejected_records]}",
    "Records that Tocsin could not read. They are not monitored.",
    {"records": signal("rejected_records")},
    width=3,
    steps=threshold_of("rejected_records", WELL),
    no_value="unknown",
)
HIDDEN: Final = Stat(
    "Violators not named",
    "Groups over a threshold that are not published by name. Search the log for them.",
    {"groups": promql("sum(%s) or vector(0)", signal("violators_beyond_cap"))},
    steps=((None, WELL), (1, HARM)),
)
SAVED: Final = Stat(
    "State saved",
    "Time since the last save. After a crash, Tocsin reads everything since then again.",
    {"age": signal("snapshot_age")},
    width=3,
    unit="s",
    steps=threshold_of("snapshot_age", WELL, HARM),
)
NEWEST: Final = Stat(
    "Newest event",
    "Age of the newest event. It may be old on a quiet night, but not while the gateway's own counter shows requests.",
    {"ago": signal("newest_event")},
    unit="s",
    steps=CALM,
    no_value="unknown",
)
GAPS: Final = Stat(
    "Gaps in feeds",
    "Gaps in the line numbers of a log, found within the last 15 minutes. These records are lost and unmonitored.",
    {"gaps": promql("sum(%s)", signal("feed_gaps"))},
    width=3,
    steps=threshold_of("feed_gaps", WELL),
    no_value="unknown",
)
LOST: Final = Stat(
    "Bytes lost",
    "Log bytes that disappeared before Tocsin read them, over the time range: rotated away or truncated.",
    {"bytes": increase("tocsin_bytes_lost_total")},
    width=3,
    unit="bytes",
    steps=_NONE_IS_WELL,
)
FOLDED: Final = Stat(
    "Forgotten and folded",
    'Over the time range: label values counted as "other" because their label was full, and accounts evicted from '
    "memory. Somebody may be flooding names to hide one.",
    {
        "times": promql(
            "round(%s + %s)", increase("tocsin_label_overflows_total"), increase("tocsin_accounts_evicted_total")
        )
    },
    steps=_NONE_IS_WELL,
)
UNREADABLE: Final = Stat(
    "Sources unreadable",
    "Sources that Tocsin cannot read now. The exporter's log says why.",
    {"sources": promql("count(%s < 1) or vector(0)", signal("source_up"))},
    steps=((None, WELL), (1, HARM)),
)
HOOKS_IN_TROUBLE: Final = Stat(
    "Hooks in trouble",
    "Gateway worker processes that cannot write their log, are stuck, or dropped a record within the last minute.",
    {"writers": promql("sum(%s)", signal("hook_trouble"))},
    steps=threshold_of("hook_trouble", WELL),
    no_value="no hook",
)
WRITERS: Final = Stat(
    "Hooks: worker processes by state",
    "Stuck: the process is alive but reports nothing new. Dead: it exited without a shutdown record; the next worker "
    "in its folder will report losses. Unreadable: its report cannot be read.",
    {state: promql("sum(%s)", series("tocsin_hook_writers", is_(state=state))) for state in _STATES},
    width=12,
    each={state: ((None, PLAIN), (1, colour)) for state, colour in _STATES.items()},
    no_value="no hook",
)


SHED: Final = Stat(
    "Hooks: records without some of their parts",
    "Records that were too large, over the time range. Content: messages or answers are missing, and no rule has seen "
    "them. Texts: long texts lost their middle. Rest: tracebacks, what guardrails logged, and the like.",
    {
        "content": promql("round(%s)", increase("tocsin_hook_content_lost_total")),
        "texts": promql("round(%s)", increase("tocsin_hook_records_shed_total", is_(part="texts"))),
        "rest": promql("round(%s)", increase("tocsin_hook_records_shed_total", 'part!="texts"')),
    },
    width=12,
    each={"content": _NONE_IS_WELL, "texts": _NONE_IS_WELL, "rest": ((None, PLAIN),)},
    no_value="no hook",
)
UNREPORTED: Final = Stat(
    "Hooks: workers whose gateway leaves something out",
    "Gateway processes whose version does not log the client address, of accepted calls or of refused keys. Alerts on "
    "address ranges do not see those calls. A newer version of the gateway logs it.",
    {
        "addresses of accepted calls": promql(
            "sum(%s)", series("tocsin_hook_unreported_fields", is_(field="client_address"))
        ),
        "addresses of refused keys": promql(
            "sum(%s)", series("tocsin_hook_unreported_fields", is_(field="address_of_refused_credentials"))
        ),
    },
    width=12,
    steps=_NONE_IS_WELL,
    no_value="no hook",
)
SINKS: Final = Stat(
    "Sinks",
    "Sinks that cannot write now, log bytes that wait for a sink, and log bytes that disappeared before a sink read "
    "them, over the time range. A sink that is behind does not affect metrics.",
    {
        "down": promql("count(%s < 1) or 0 * count(%s)", series("tocsin_sink_up"), series("tocsin_sink_up")),
        "waiting": promql("sum(%s)", series("tocsin_sink_waiting_bytes")),
        "lost": increase("tocsin_sink_lost_bytes_total"),
    },
    width=12,
    unit="bytes",
    each={"down": ((None, WELL), (1, HARM)), "waiting": ((None, PLAIN),), "lost": _NONE_IS_WELL},
    no_value="no sink",
)


def memory(q: QueryBuilder) -> Panel:
    """Room below the ceiling that the spec sets."""
    ceiling = q.spec.settings.max_series
    return Stat(
        "Series and accounts",
        f'Series that one exporter publishes, at most {ceiling} (more values are counted as "other"), and accounts in '
        "memory.",
        {"series": gauge("max", "tocsin_series"), "accounts": gauge("sum", "tocsin_accounts")},
        unit="none",
        steps=CALM,
        each={"series": ((None, WELL), (0.8 * ceiling, WATCH), (ceiling, HARM))},
    )(q)


PANELS: Final = (
    *(LAG, UNREAD, RECORDS, GIVEN),
    *(memory, REJECTED, HIDDEN, SAVED, NEWEST, GAPS, LOST),
    *(FOLDED, UNREADABLE, HOOKS_IN_TROUBLE, WRITERS),
    *(SHED, UNREPORTED),
    SINKS,
)
