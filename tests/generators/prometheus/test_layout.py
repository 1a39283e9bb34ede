"""Long expressions are broken into clauses, and mean what they meant."""

from __future__ import annotations

import promql_parser
import pytest

from alerts import compile_alerts
from generators.prometheus.layout import LONG, laid_out
from generators.prometheus.promql import condition, recordings, slow_recordings
from spec import load_spec

SHIPPED = sorted(
    {
        expression
        for rule in compile_alerts(load_spec())
        for expression in (condition(rule), *recordings(rule).values(), *slow_recordings(rule).values())
    }
)
LABEL = '{model="a or (b, unless {c} \\" and ) d"}'
ODD = (
    f"sum by (model) (llm_requests_total{LABEL}) or on (model, tenant) max by (model) (llm_attempts_total{LABEL})",
    f"clamp_min(a{LABEL} or b{LABEL}, 1) + (c{LABEL} unless d{LABEL}) * (e{LABEL} and f{LABEL})",
    f"-(a{LABEL} > bool 1) ^ 2 and ignoring (model) (rate(b{LABEL}[5m:1m] offset 1h) or c{LABEL})",
    f"histogram_quantile(0.99, sum by (le, model) (rate(llm_duration_bucket{LABEL}[5m]))) >= 30 and x{LABEL} > 9",
    f"label_replace(up{LABEL}, 'a', '$1', 'job', '(.*), or ') or vector(1) unless absent(up{LABEL}) == 1 or up{LABEL}",
)


def meaning(promql: str) -> str:
    return str(promql_parser.parse(promql).prettify())


@pytest.mark.parametrize("promql", [*SHIPPED, *ODD])
def test_the_meaning_stays(promql: str) -> None:
    assert meaning(laid_out(promql)) == meaning(promql)


@pytest.mark.parametrize("promql", SHIPPED)
def test_no_line_is_long_and_short_ones_stay(promql: str) -> None:
    assert max(map(len, laid_out(promql).splitlines())) <= LONG
    if len(promql) <= LONG:
        assert laid_out(promql) == promql


def test_one_clause_a_line() -> None:
    spend = "max_over_time(tenant:llm_spend_by_tenant:sum[45s])"
    limit = "last_over_time(tenant:llm_spend_above_baseline:limit[10m])"
    assert laid_out(f"{spend} >= {limit} or ({spend} >= 200 unless {limit})") == (
        f"{spend}\n  >= {limit}\nor\n(\n  {spend} >= 200\n  unless\n  {limit}\n)\n"
    )


def test_vector_matching_stays_with_its_operator() -> None:
    long = "ALERTS{" + ",".join(f'label_{number}="value"' for number in range(6)) + "}"
    assert laid_out(f"{long} unless on (alert_family) {long}") == f"{long}\nunless on (alert_family)\n{long}\n"
