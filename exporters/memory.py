"""What an exporter must not forget: the signal state of its engine, and what Prometheus has been shown of it."""

from __future__ import annotations

import time

from exporters.engine import Engine
from exporters.metric_table import Table
from exporters.quarantine import fault_of
from exporters.signals.saved import Saved, check
from exporters.signals.state import SignalState
from exporters.view import PrometheusView


class Memory:
    """The state of an engine and the view on it, which are saved, taken back and thrown away together."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.view = PrometheusView(engine.state)

    @property
    def state(self) -> SignalState:
        """The signal state, as long as it is not taken back."""
        return self.engine.state

    def scrape(self, now: float) -> list[Table]:
        """What Prometheus sees at `now` (Unix seconds); it is remembered as served."""
        self.state.advance(now)
        return self.view.scrape(now)

    def save(self) -> dict[str, object]:
        """Plain data, the keyword arguments of a `Saved`."""
        return {"state": self.state.save(), "view": self.view.save()}

    def load(self, saved: Saved, *, reset_counters: bool = False) -> list[str]:
        """Take up what was saved; what had to start from nothing, as words for ``tocsin_state_resets_total``.

        Nothing has been counted before. `reset_counters`: it is older than what Prometheus has seen.
        """
        resets = self.state.load(saved.state, reset_counters=reset_counters)
        self.view.load(saved.view, resets)
        return resets

    def go_back(self, saved: Saved | None) -> None:
        """Throw away what there is, for what was saved (None: for nothing)."""
        before = self.engine.state, self.view
        self.engine.state = self.state.anew()
        self.view = PrometheusView(self.state)
        if saved is not None:
            try:
                self.load(saved)
            except BaseException:
                self.engine.state, self.view = before
                raise

    def test(self, saved: Saved) -> None:
        """See whether something can be taken up, scraped and saved again. Nothing is changed.

        Raises:
            ValueError: it cannot.
        """
        check(saved.state, saved.view)
        for reset in (False, True):
            state = self.state.anew()
            view = PrometheusView(state)
            try:
                view.load(saved.view, state.load(saved.state, reset_counters=reset))
                now = time.time()
                state.advance(now)
                view.scrape(now)
                state.save()
                view.save()
            except Exception as error:
                raise ValueError(f"it cannot be restored: {fault_of('load', error).place}") from error
