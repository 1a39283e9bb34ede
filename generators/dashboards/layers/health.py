"""Tocsin itself: whether what this dashboard shows is complete and recent."""

from __future__ import annotations

from generators import panels
from generators.dashboards.ask import Ask, is_
from generators.dashboards.colours import HARM, LINE, PLAIN, WATCH, WELL, up_to
from generators.grafana import Query, Steps
from generators.panels import Panel

_NONE_IS_WELL: Steps = ((None, WELL), (1, WATCH))


def lag(ask: Ask) -> Panel:
    """How late alerts come."""
    return panels.timeseries(
        "Reading behind, by source",
        "How far reading is behind the log. Alerts come late by as much. The dashed line is the alert's threshold.",
        [Query(ask.signal("feed_lag"), "{{source}}")],
        width=6,
        unit="s",
        limit=ask.limit("feed_lag"),
        levels=up_to(ask.limit("feed_lag")),
    )


def unread(ask: Ask) -> Panel:
    """Whether it catches up."""
    return panels.timeseries(
        "Bytes that wait to be read, by source",
        "Shrinking: a backlog that is being read, wait. Growing: the log is written faster than it is read.",
        [Query(ask.gauge("sum", "tocsin_unread_bytes", by=["source"]), "{{source}}")],
        width=6,
        unit="bytes",
        levels=((None, LINE),),
    )


def records(ask: Ask) -> Panel:
    """What is read, and what is not understood."""
    rejected = ask.rate("tocsin_records_rejected_total", by=["reason"])
    return panels.timeseries(
        "Records per second",
        "Records read, and records rejected by reason. Rejected records are not watched.",
        [
            Query(ask.rate("tocsin_records_read_total"), "read"),
            Query(f"{rejected} > 0", "rejected: {{reason}}"),
        ],
        width=6,
        unit="short",
        shade=WATCH,
        colours={"read": WELL},
    )


def given(ask: Ask) -> Panel:
    """Whether what the gateway records arrives."""
    return panels.timeseries(
        "Given to hooks, and read",
        "Records per second that gateways gave to their hooks, as these say beside the log, and records read, by "
        "source. Where the first goes on without the second, a log is not written or not read. A source without a hook "
        "is given none.",
        [
            Query(ask.signal("hook_records"), "{{source}}: given"),
            Query(ask.rate("tocsin_records_read_total", by=["source"]), "{{source}}: read"),
        ],
        width=6,
    )


def memory(ask: Ask) -> Panel:
    """Room below the ceiling."""
    ceiling = ask.spec.settings.max_series
    return panels.stat(
        "Series and accounts",
        f'Series that one exporter publishes, at most {ceiling} (beyond it new values are counted as "other"), and '
        "accounts whose windows are in memory.",
        [
            Query(ask.gauge("max", "tocsin_series"), "series"),
            Query(ask.gauge("sum", "tocsin_accounts"), "accounts"),
        ],
        width=4,
        unit="none",
        steps=((None, PLAIN),),
        each={"series": ((None, WELL), (0.8 * ceiling, WATCH), (ceiling, HARM))},
    )


def rejected(ask: Ask) -> Panel:
    """What is in the log and on no other panel."""
    return panels.stat(
        f"Rejected in {ask.definition('rejected_records').window}",
        "Records that could not be read, and so are watched by nobody.",
        [Query(ask.signal("rejected_records"), "records")],
        width=3,
        steps=up_to(ask.limit("rejected_records"), WELL),
        no_value="unknown",
    )


def hidden(ask: Ask) -> Panel:
    """Violators that have no name on this page."""
    return panels.stat(
        "Violators not named",
        "Groups over a threshold that had no room among those published: search the log for them.",
        [Query(f"sum({ask.signal('violators_beyond_cap')}) or vector(0)", "groups")],
        width=4,
        steps=((None, WELL), (1, HARM)),
    )


def saved(ask: Ask) -> Panel:
    """What a crash would cost."""
    limit = ask.limit("snapshot_age")
    late: Steps = ((limit, HARM),) if limit else ()
    return panels.stat(
        "State saved",
        "How long ago the state was saved. What was counted since is read again after a crash.",
        [Query(ask.signal("snapshot_age"), "age")],
        width=3,
        unit="s",
        steps=((None, WELL), *late),
    )


def newest(ask: Ask) -> Panel:
    """Whether anything arrives."""
    return panels.stat(
        "Newest event",
        "How long ago the newest event happened. On a quiet night that is long; while the gateway itself counts "
        "requests it must not be.",
        [Query(ask.signal("newest_event"), "ago")],
        width=4,
        unit="s",
        steps=((None, PLAIN),),
        no_value="unknown",
    )


def gaps(ask: Ask) -> Panel:
    """What was lost before it could be read."""
    limit = ask.limit("feed_gaps")
    return panels.stat(
        "Gaps in feeds",
        "Gaps in the numbers of a log's lines, found within the last fifteen minutes: records that nobody has watched.",
        [Query(f"sum({ask.signal('feed_gaps')})", "gaps")],
        width=3,
        steps=up_to(limit, WELL),
        no_value="unknown",
    )


def lost(ask: Ask) -> Panel:
    """What nobody will ever see."""
    return panels.stat(
        "Bytes lost",
        "Log that was gone before it could be read, over the whole time range: rotated away or cut.",
        [Query(ask.increase("tocsin_bytes_lost_total"), "bytes")],
        width=3,
        unit="bytes",
        steps=_NONE_IS_WELL,
    )


def folded(ask: Ask) -> Panel:
    """What was counted without its name."""
    evicted = ask.increase("tocsin_accounts_evicted_total")
    return panels.stat(
        "Forgotten and folded",
        'Over the whole time range: label values counted as "other" because their label was full, and accounts '
        "forgotten to make room. Somebody may be flooding names to hide one.",
        [Query(f"round({ask.increase('tocsin_label_overflows_total')} + {evicted})", "times")],
        width=4,
        steps=_NONE_IS_WELL,
    )


def unreadable(ask: Ask) -> Panel:
    """Whether anything cannot be read."""
    return panels.stat(
        "Sources unreadable",
        "Sources that cannot be read now; the exporter's log says why.",
        [Query(f"count({ask.signal('source_up')} < 1) or vector(0)", "sources")],
        width=4,
        steps=((None, WELL), (1, HARM)),
    )


def troubled(ask: Ask) -> Panel:
    """Whether a gateway can write its log."""
    return panels.stat(
        "Hooks in trouble",
        "Worker processes of gateways that cannot write their log, are stuck, or have dropped a record within the last "
        "minute.",
        [Query(f"sum({ask.signal('hook_trouble')})", "writers")],
        width=4,
        steps=up_to(ask.limit("hook_trouble"), WELL),
        no_value="no hook",
    )


def writers(ask: Ask) -> Panel:
    """Who writes, and who should."""
    colours = {"running": WELL, "stopping": PLAIN, "stopped": PLAIN, "stuck": HARM, "dead": WATCH, "unreadable": WATCH}
    return panels.stat(
        "Hooks: worker processes by state",
        "Stuck: the process lives, but says nothing new. Dead: it ended without a word; the next one in its folder "
        "tells what was lost. Unreadable: what it says cannot be used.",
        [Query(f"sum({ask.series('tocsin_hook_writers', is_(state=state))})", state) for state in colours],
        width=12,
        each={state: ((None, PLAIN), (1, colour)) for state, colour in colours.items()},
        no_value="no hook",
    )


PANELS = (
    *(lag, unread, records, given),
    *(memory, rejected, hidden, saved, newest, gaps, lost),
    *(folded, unreadable, troubled, writers),
)
