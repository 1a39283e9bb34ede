"""A made-up company behind a gateway: /metrics with every name of the spec's catalogue, and those of other exporters.

For the dashboards only. A value is a pure function of time, so that any stretch of history can be written down at once:
ordinary traffic from the start, and from `Company.attacked` on one account that jailbreaks, one whose answers carry a
canary, one that guesses keys, and a provider that fails.
"""

from __future__ import annotations

import http.server
import itertools
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from exercises.loopback import ThreadedServer
from spec import MetricInfo, Spec, catalogue

Labels = tuple[tuple[str, str], ...]

_MODELS: Final = {"gpt-4o-mini": 0.5, "claude-sonnet-4": 0.3, "llama-3.3-70b": 0.2}
_PROVIDERS: Final = {"gpt-4o-mini": "openai", "claude-sonnet-4": "anthropic", "llama-3.3-70b": "vllm"}
_GPU: Final = {"UUID": "GPU-5b1c", "device": "nvidia0", "modelName": "NVIDIA L40S", "Hostname": "gpu-1"}

SHARES: Final[Mapping[str, Mapping[str, float]]] = {
    "gateway": {"litellm": 1},
    "tenant": {"support": 0.45, "research": 0.3, "sales": 0.15, "platform": 0.1},
    "model": _MODELS,
    "provider": dict.fromkeys(_PROVIDERS.values(), 1),
    "outcome": {"success": 0.97, "failure": 0.03},
    "direction": {"input": 0.7, "output": 0.2, "cached": 0.08, "reasoning": 0.02},
    "operation": {"chat": 0.82, "embeddings": 0.15, "responses": 0.03},
    "stream": {"true": 0.6, "false": 0.4},
    "detector": {"prompt_injection": 0.4, "system_prompt_extraction": 0.3, "jailbreak": 0.2, "sensitive_output": 0.1},
    "confidence": {"low": 0.7, "medium": 0.2, "high": 0.1},
    "rule": {"injection.ignore-previous": 0.5, "probe.print-instructions": 0.3, "output.access-token": 0.2},
    "error_class": {"rate_limit_caller": 0.4, "invalid_request": 0.3, "context_length": 0.2, "guardrail_block": 0.1},
    "verdict": {"pass": 0.9, "none": 0.07, "mask": 0.015, "would_block": 0.01, "block": 0.005},
    "guardrail": {"prompt-shield": 0.5, "pii-mask": 0.4, "topic-filter": 0.1},
    "tool": {"search": 0.5, "get_ticket": 0.3, "send_mail": 0.15, "run_sql": 0.05},
    "source": {"litellm.jsonl": 1},
    "reason": {"not_json": 0.8, "too_long": 0.2},
    "field": {"cost_usd": 1, "client_address": 1, "address_of_refused_credentials": 0},
    "kind": {"renamed": 1},
    "part": {"texts": 1, "guardrail_response": 2},
    "state": {"running": 1, "stopping": 0, "stopped": 0, "stuck": 0, "dead": 0, "unreadable": 0},
    "label": {"model": 0.8, "tool": 0.2},
    "version": {"0.1.0": 1},
    # other exporters
    "cpu": {"0": 1, "1": 1},
    "mode": {"idle": 0.62, "user": 0.3, "system": 0.08},
    "fstype": {"ext4": 1},
    "mountpoint": {"/": 1, "/var/log": 0.45},
    "gpu": {"0": 1},
    **{name: {value: 1.0} for name, value in _GPU.items()},
    "namespace": {"llm": 1},
    "pod": {"litellm-7d9f-x2k4": 1, "litellm-7d9f-q8m1": 1},
    "uid": {"b2f8": 1},
    "phase": {"Running": 1, "Pending": 0, "Failed": 0},
    "container": {"litellm": 1},
    "model_name": {"llama-3.3-70b": 1},
    "datid": {"16384": 1},
    "datname": {"litellm": 1},
    "server": {"db-1:5432": 1},
}
"""How a total spreads over the values of a label. A label without an entry takes the spec's words, or one word."""

TOTALS: Final[Mapping[str, float]] = {
    "llm_requests_total": 6,
    "llm_attempts_total": 6.3,
    "llm_tokens_total": 9_000,
    "llm_cost_usd_total": 0.004,
    "llm_requests_by_operation_total": 6,
    "llm_requests_offhours_total": 0.3,
    "llm_input_characters": 5,
    "llm_output_characters": 5,
    "llm_detections_total": 0.03,
    "llm_detection_rules_total": 0.03,
    "llm_records_without_content_total": 0.25,
    "llm_errors_total": 0.19,
    "llm_auth_refusals_total": 0.02,
    "llm_request_duration_seconds": 6.3,
    "llm_time_to_first_chunk_seconds": 3.8,
    "llm_guardrail_verdicts_total": 6.3,
    "llm_guardrail_decisions_total": 11,
    "llm_tool_calls_total": 1.1,
    "tocsin_records_read_total": 6.3,
    "tocsin_bytes_read_total": 52_000,
    "tocsin_records_rejected_total": 0.004,
    "tocsin_unread_bytes": 2_100,
    "tocsin_feed_lag_seconds": 0.8,
    "tocsin_feed_recent_gaps": 0,
    "tocsin_hook_writers": 4,
    "tocsin_hook_unhealthy_writers": 0,
    "tocsin_hook_queue_bytes": 0,
    "tocsin_hook_report_age_seconds": 1.4,
    "tocsin_hook_records_total": 6.3,
    "tocsin_build_info": 1,
    "tocsin_source_up": 1,
    "tocsin_series": 1_840,
    "tocsin_accounts": 46,
    "tocsin_snapshot_age_seconds": 4,
    "tocsin_snapshot_size_bytes": 310_000,
    "litellm_proxy_total_requests_metric_total": 6,
    "node_cpu_seconds_total": 1,
    "node_memory_MemAvailable_bytes": 9.1e9,
    "node_memory_MemTotal_bytes": 16e9,
    "node_filesystem_avail_bytes": 61e9,
    "node_filesystem_size_bytes": 100e9,
    "DCGM_FI_DEV_GPU_UTIL": 71,
    "DCGM_FI_DEV_FB_USED": 41_000,
    "DCGM_FI_DEV_FB_FREE": 4_600,
    "kube_pod_status_phase": 1,
    "kube_pod_container_status_restarts_total": 0.0008,
    "vllm:num_requests_running": 7,
    "vllm:num_requests_waiting": 1.2,
    "vllm:kv_cache_usage_perc": 0.44,
    "pg_up": 1,
    "pg_stat_database_numbackends": 21,
    "pg_settings_max_connections": 100,
}
"""Per second for counters and histograms, the value for gauges; all label values together. Else 0."""

GROUPS: Final[Mapping[str, Mapping[tuple[str, ...], tuple[float, float]]]] = {
    "llm_requests_by_actor": {
        ("app-helpdesk", "support"): (410, 0),
        ("u-4c1d", "research"): (35, 0),
        ("u-9e07", "support"): (12, 70),
    },
    "llm_output_tokens_by_actor": {
        ("app-helpdesk", "support"): (61_000, 0),
        ("u-4c1d", "research"): (22_000, 0),
        ("u-b2f8", "research"): (8_000, 90_000),
    },
    "llm_excess_output_by_actor": {("app-helpdesk", "support"): (2_000, 0), ("u-b2f8", "research"): (1_000, 70_000)},
    "llm_output_tokens_by_tenant": {("support",): (74_000, 0), ("research",): (41_000, 90_000), ("sales",): (9_000, 0)},
    "llm_spend_by_tenant": {("support",): (7.2, 0), ("research",): (3.1, 9), ("sales",): (0.9, 0)},
    "llm_spend_by_actor": {("app-helpdesk", "support"): (6.1, 0), ("u-b2f8", "research"): (1.4, 9)},
    "llm_offhours_requests": {("app-helpdesk", "support"): (80, 0)},
    "llm_burst_requests": {("app-helpdesk", "support"): (9, 0), ("u-9e07", "support"): (1, 11)},
    "llm_jailbreak_hits": {("u-9e07", "support"): (0, 9), ("u-77aa", "sales"): (0, 1)},
    "llm_injection_hits": {("u-9e07", "support"): (0, 6), ("u-4c1d", "research"): (0, 1)},
    "llm_injection_hits_answered": {("u-9e07", "support"): (0, 0), ("u-4c1d", "research"): (0, 1)},
    "llm_attack_hits_by_end_user": {("a-41c07d9be210", "support"): (0, 2)},
    "llm_attack_hits_by_end_user_answered": {("a-41c07d9be210", "support"): (0, 1)},
    "llm_sensitive_output_by_end_user": {("a-41c07d9be210", "support"): (0, 1)},
    "llm_sensitive_output_by_end_user_answered": {("a-41c07d9be210", "support"): (0, 1)},
    "llm_canary_hits_by_end_user": {("a-41c07d9be210", "support"): (0, 1)},
    "llm_canary_hits_by_end_user_answered": {("a-41c07d9be210", "support"): (0, 0)},
    "llm_jailbreak_hits_answered": {("u-9e07", "support"): (0, 2)},
    "llm_system_prompt_probes": {("u-9e07", "support"): (0, 2)},
    "llm_canary_hits": {("u-b2f8", "research"): (0, 2)},
    "llm_canary_hits_answered": {("u-b2f8", "research"): (0, 1)},
    "llm_sensitive_output": {("u-b2f8", "research"): (0, 3)},
    "llm_sensitive_output_answered": {("u-b2f8", "research"): (0, 2)},
    "llm_guardrail_blocks": {("u-9e07", "support"): (0, 7), ("u-b2f8", "research"): (0, 1)},
    "llm_guardrail_would_blocks": {("u-4c1d", "research"): (1, 0)},
    "llm_long_prompts": {("u-4c1d", "research"): (3, 0)},
    "llm_validation_errors": {("app-helpdesk", "support"): (4, 0)},
    "llm_caller_rate_limited": {("app-helpdesk", "support"): (11, 0)},
    "llm_actor_ranges": {("u-9e07", "support"): (1, 1), ("app-helpdesk", "support"): (2, 0)},
    "llm_auth_failures": {("203.0.113.0/24", "true"): (0, 42), ("198.51.100.0/24", "false"): (3, 0)},
    "llm_refused_keys": {("203.0.113.0/24", "true"): (0, 27), ("198.51.100.0/24", "false"): (1, 0)},
    "llm_attempts_by_model": {
        ("gpt-4o-mini",): (1_890, 0),
        ("claude-sonnet-4",): (1_130, 0),
        ("llama-3.3-70b",): (756, 0),
    },
    "llm_slow_attempts": {("gpt-4o-mini",): (4, 0), ("claude-sonnet-4",): (11, 40), ("llama-3.3-70b",): (2, 0)},
    "llm_slow_first_chunk": {("claude-sonnet-4",): (3, 20)},
    "llm_provider_attempts": {("openai",): (950, 0), ("anthropic",): (565, 0), ("vllm",): (378, 0)},
    "llm_provider_errors": {("openai",): (3, 0), ("anthropic",): (6, 210), ("vllm",): (1, 0)},
    "llm_guardrail_failures": {(): (0, 0)},
    "llm_violating_actors": {(): (2, 5)},
    "llm_rejected_records": {(): (3, 0)},
    "llm_unread_content": {("chat",): (1, 0), ("responses",): (0, 60)},
    "llm_attempts_by_operation": {("chat",): (3_400, 0), ("responses",): (420, 0)},
    "llm_violating_groups": {
        ("LLMCanaryLeaked",): (0, 1),
        ("LLMJailbreakRepeated",): (0, 1),
        ("LLMPromptInjectionRepeated",): (0, 1),
        ("LLMPasswordGuessing",): (0, 1),
        ("LLMProviderFailing",): (0, 1),
        ("LLMSpendBurst",): (0, 0),
    },
}
"""Gauges by group: the usual value, and what the attack adds. The labels stand in the order of the catalogue."""

ATTACK: Final[tuple[tuple[str, Mapping[str, str], float], ...]] = (
    ("llm_detections_total", {"detector": "jailbreak", "confidence": "high"}, 0.017),
    ("llm_detections_total", {"detector": "canary_token", "confidence": "high"}, 0.004),
    ("llm_detection_rules_total", {"rule": "jailbreak.developer-mode"}, 0.017),
    ("llm_guardrail_verdicts_total", {"tenant": "support", "verdict": "block"}, 0.02),
    ("llm_guardrail_decisions_total", {"guardrail": "prompt-shield", "verdict": "block"}, 0.02),
    ("llm_errors_total", {"tenant": "support", "model": "gpt-4o-mini", "error_class": "guardrail_block"}, 0.02),
    ("llm_errors_total", {"tenant": "research", "model": "claude-sonnet-4", "error_class": "provider_5xx"}, 0.6),
    ("llm_attempts_total", {"model": "claude-sonnet-4", "provider": "anthropic", "outcome": "failure"}, 0.6),
    ("llm_auth_refusals_total", {}, 0.07),
    ("llm_threshold_crossings_total", {"alert": "LLMCanaryLeaked"}, 0.001),
    ("llm_threshold_crossings_total", {"alert": "LLMJailbreakRepeated"}, 0.002),
    ("llm_threshold_crossings_total", {"alert": "LLMPasswordGuessing"}, 0.0005),
)
"""What the attack adds to counters, per second."""

_STEADY: Final = ("_up", "_info", "_phase", "_size_bytes", "MemTotal_bytes", "_max_connections")
_HISTOGRAM_MIDDLES: Final = {"input_characters": 2_400.0, "output_characters": 900.0, "duration": 2.1, "chunk": 0.4}


@dataclass(frozen=True, slots=True)
class Company:
    """`spec`'s metrics at any time, in Unix seconds: from `started` on, and under attack from `attacked` on."""

    spec: Spec
    started: float
    attacked: float

    def tocsin(self, at: float) -> str:
        """What Tocsin's /metrics says at a time."""
        return self._page(at, external=False)

    def exporters(self, at: float) -> str:
        """What the other exporters say."""
        return self._page(at, external=True)

    def samples(self, at: float, *, external: bool) -> Iterator[tuple[MetricInfo, str, Labels, float]]:
        """Metric, name of the series, labels and value."""
        for metric in catalogue(self.spec):
            if (metric.source == "external") == external and metric.name != "up":  # Prometheus makes `up`
                if metric.type == "histogram":
                    yield from self._histogram(metric, at)
                else:
                    yield from ((metric, metric.name, labels, value) for labels, value in self._plain(metric, at))

    def _page(self, at: float, *, external: bool) -> str:
        lines: list[str] = []
        for metric, series in itertools.groupby(self.samples(at, external=external), key=lambda sample: sample[0]):
            kind = "untyped" if metric.type == "untyped" else metric.type
            lines.append(f"# TYPE {metric.name} {kind}")
            lines += [f"{name}{_braces(labels)} {value:.10g}" for _, name, labels, value in series]
        return "\n".join(lines) + "\n"

    def _plain(self, metric: MetricInfo, at: float) -> Iterator[tuple[Labels, float]]:
        grows = metric.type == "counter" or metric.name.endswith("_total")
        if metric.name in GROUPS:
            for values, (usual, extra) in GROUPS[metric.name].items():
                labels = tuple(zip(metric.labels, values, strict=True))
                value = usual * _wobble(labels, at, 0.12) + extra * self._attack_share(at)
                yield labels, value if metric.unit == "usd" else round(value)
            return
        if metric.name.endswith("timestamp_seconds"):
            yield from ((labels, at - 1) for labels in self._members(metric))
            return
        total = TOTALS.get(metric.name, 0.0)
        for labels, share in self._members(metric).items():
            if grows:
                yield labels, total * share * self._elapsed(labels, at) + self._attacks(metric, labels, at)
            else:
                value = total * share * (1 if metric.name.endswith(_STEADY) else _wobble(labels, at, 0.1))
                yield labels, round(value) if total > 20 else value

    def _histogram(self, metric: MetricInfo, at: float) -> Iterator[tuple[MetricInfo, str, Labels, float]]:
        middle = next(value for word, value in _HISTOGRAM_MIDDLES.items() if word in metric.name)
        for labels, share in self._members(metric).items():
            count = TOTALS[metric.name] * share * self._elapsed(labels, at)
            own = middle * (0.7 + 0.9 * _phase(labels))
            for bound in self.spec.families[metric.name].buckets:
                below = 0.5 * (1 + math.erf(math.log(bound / own) / 1.1))
                yield metric, f"{metric.name}_bucket", (*labels, ("le", f"{bound:g}")), count * below
            yield metric, f"{metric.name}_bucket", (*labels, ("le", "+Inf")), count
            yield metric, f"{metric.name}_sum", labels, count * own * 1.35
            yield metric, f"{metric.name}_count", labels, count

    def _members(self, metric: MetricInfo) -> dict[Labels, float]:
        """The label sets of a metric and the share of each in its total."""
        members: dict[Labels, float] = {}
        for values in itertools.product(*(self._values(metric, label).items() for label in metric.labels)):
            labels = dict(zip(metric.labels, (value for value, _ in values), strict=True))
            if "provider" in labels and _PROVIDERS[labels["model"]] != labels["provider"]:
                continue
            members[tuple(labels.items())] = math.prod(share for _, share in values)
        for name, chosen, _ in ATTACK:
            if name == metric.name:
                members.setdefault(_attack_labels(metric, chosen), 0.0)
        return members

    def _values(self, metric: MetricInfo, label: str) -> Mapping[str, float]:
        if label == "mountpoint" and metric.name.endswith("size_bytes"):
            return dict.fromkeys(SHARES[label], 1.0)
        if label == "verdict" and metric.name == "llm_guardrail_decisions_total":
            return {"pass": 0.98, "mask": 0.01, "would_block": 0.006, "block": 0.003, "error": 0.001}
        if label == "alert":
            return dict.fromkeys(self.spec.alerts, 0.0)
        if label in SHARES:
            return SHARES[label]
        words = self.spec.fields[label].values if label in self.spec.fields else ()
        return {word: 1 / len(words) for word in words} if words else {"main": 1.0}

    def _attacks(self, metric: MetricInfo, labels: Labels, at: float) -> float:
        since = max(0.0, at - self.attacked)
        return sum(
            rate * since
            for name, chosen, rate in ATTACK
            if name == metric.name and _attack_labels(metric, chosen) == labels
        )

    def _attack_share(self, at: float) -> float:
        """0 before the attack, then up to 1 within five minutes."""
        return min(1.0, max(0.0, (at - self.attacked) / 300))

    def _elapsed(self, labels: Labels, at: float) -> float:
        """Seconds since the start, stretched and squeezed as traffic rises and falls."""
        since, swing, period = max(0.0, at - self.started), 0.3, 4_000.0
        turn = 2 * math.pi * (since / period + _phase(labels))
        rest = math.cos(2 * math.pi * _phase(labels)) - math.cos(turn)
        return since + swing * period / (2 * math.pi) * rest


class Exporter(ThreadedServer):
    """Serves a company on loopback: Tocsin's page at /metrics, the other exporters' at /others."""

    def __init__(self, company: Company) -> None:
        class Handler(_Handler):
            served = company

        super().__init__(Handler)
        self.address = self.url.removeprefix("http://")


class _Handler(http.server.BaseHTTPRequestHandler):
    served: Company

    def do_GET(self) -> None:
        pages = {"/metrics": self.served.tocsin, "/others": self.served.exporters}
        page = pages.get(self.path)
        body = page(time.time()).encode() if page else b""
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet."""


def _attack_labels(metric: MetricInfo, chosen: Mapping[str, str]) -> Labels:
    """The chosen labels, and of every other label its first value."""
    return tuple((label, chosen.get(label) or next(iter(SHARES[label]))) for label in metric.labels)


def _phase(labels: Labels) -> float:
    """A number from 0 to 1 that is always the same for the same labels."""
    return sum(map(ord, "".join(value for _, value in labels))) % 97 / 97


def _wobble(labels: Labels, at: float, swing: float) -> float:
    return 1 + swing * math.sin(at / 311 + 7 * _phase(labels))


def _braces(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""
