"""Where a page leads: the runbook page of its alert, and the dashboard filtered to what the alert is about."""

from __future__ import annotations

from typing import Final, get_args

from spec import Spec, names
from spec.model import Category

DASHBOARD_UID: Final = "tocsin-overview"
"""The id of the overview dashboard: what follows `settings.dashboard_base_url` in its address."""

CATEGORIES: Final[tuple[str, ...]] = get_args(Category)
"""Categories of signals; each has a dashboard."""


def runbook_url(spec: Spec, alert: str) -> str:
    """The address of an alert's runbook page."""
    return spec.settings.runbook_base_url + names.runbook_page(alert)


def dashboard_url(spec: Spec) -> str:
    """The address of the overview dashboard, without filters."""
    return spec.settings.dashboard_base_url + DASHBOARD_UID


def board_path(uid: str, *, keep: bool = False) -> str:
    """The address of a dashboard from another one in the same Grafana.

    Links at the top of a dashboard take time range and choices along by themselves; others need `keep`.
    """
    return f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}" if keep else f"/d/{uid}"


def category_uid(category: str) -> str:
    """The id of the dashboard of a category of signals."""
    return f"tocsin-{category}"
