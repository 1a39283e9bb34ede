"""Lines as log shippers write them, made after their documentation: one or more for each entry of the registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

TIME: Final = "2026-11-23T08:27:06.123456789Z"

Wrap = Callable[[str], str]
"""From a record, which is JSON on one line, to the line or lines that a shipper makes of it."""


def dumped(value: Any) -> str:
    """JSON on one line."""
    return json.dumps(value) + "\n"


def _kubernetes() -> dict[str, Any]:
    return {"pod_name": "litellm-7c5d", "namespace_name": "ai", "labels": {"app": "litellm"}, "host": "node-3"}


def _halves(text: str, many: int = 3) -> list[str]:
    size = -(-len(text) // many)
    return [text[start : start + size] for start in range(0, len(text), size)]


def _docker(log: str, stream: str = "stdout") -> str:
    return dumped({"log": log, "stream": stream, "time": TIME})


def _docker_parts(record: str) -> str:
    first, second, third = _halves(record)
    return _docker(first) + _docker("a warning\n", "stderr") + _docker(second) + _docker(third + "\n")


def _cri_parts(record: str) -> str:
    first, second, third = _halves(record)
    return (
        f"{TIME} stdout P {first}\n{TIME} stderr P half a \n{TIME} stdout P {second}\n"
        f"{TIME} stderr F warning\n{TIME} stdout F {third}\n"
    )


def _firelens_parts(record: str) -> str:
    parts = _halves(record)
    return "".join(
        dumped(
            {
                "source": "stdout",
                "log": part,
                "partial_message": "true",
                "partial_id": "d1",
                "partial_ordinal": str(place + 1),
                "partial_last": "true" if place + 1 == len(parts) else "false",
                "container_id": "c0ffee",
                "container_name": "/litellm",
            }
        )
        for place, part in enumerate(parts)
    )


def _parts(text: str, tag: str) -> str:
    first, second, third = _halves(text)
    common = {"time": TIME, "stream": "stdout", "kubernetes": _kubernetes()}
    return "".join(
        dumped({**common, tag: mark, "log": part}) for mark, part in (("P", first), ("P", second), ("F", third))
    )


def _vector_parts(record: str) -> str:
    first, second = _halves(record, 2)
    common = {"container_id": "c0ffee", "source_type": "docker_logs", "stream": "stdout", "timestamp": TIME}
    return dumped({**common, "_partial": True, "message": first}) + dumped({**common, "message": second})


def _journald_parts(record: str) -> str:
    first, second = _halves(record, 2)
    common = {"__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": "1795422426000000", "_PID": "12", "_STREAM_ID": "ab"}
    return dumped({**common, "_LINE_BREAK": "line-max", "MESSAGE": first}) + dumped({**common, "MESSAGE": second})


def _journald(record: Any) -> str:
    return dumped(
        {
            "__CURSOR": "s=1;i=2",
            "__REALTIME_TIMESTAMP": "1795422426000000",
            "_SYSTEMD_UNIT": "litellm.service",
            "PRIORITY": "6",
            "MESSAGE": record,
        }
    )


def _exported(record: str) -> str:
    """The journal export format, with the message as text."""
    return f"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795422426000000\n_PID=12\nMESSAGE={record}\nPRIORITY=6\n\n"


def _exported_bytes(record: str) -> str:
    """The same with the message as bytes; it is padded so that the eight bytes of its length are ASCII."""
    padded = record + " " * (-len(record.encode()) % 256)
    length = "".join(map(chr, len(padded.encode()).to_bytes(8, "little")))
    return f"__CURSOR=s=1;i=2\n_PID=12\nMESSAGE\n{length}{padded}\nPRIORITY=6\n\n"


def _gcp(**payload: Any) -> str:
    return dumped(
        {
            "insertId": "1x",
            "logName": "projects/p/logs/stdout",
            "resource": {"type": "k8s_container", "labels": {"pod_name": "litellm-7c5d"}},
            "timestamp": TIME,
            "receiveTimestamp": TIME,
            **payload,
        }
    )


def _insights(record: str) -> str:
    row = [{"field": "@timestamp", "value": "2026-11-23 08:27:06.123"}, {"field": "@message", "value": record}]
    row.append({"field": "@ptr", "value": "CmEKJgoi"})
    return dumped({"results": [row], "statistics": {"recordsMatched": 1.0}, "status": "Complete"})


def _otlp(record: str) -> str:
    logs = [{"timeUnixNano": "1795422426000000000", "body": {"stringValue": record}, "attributes": []}]
    return dumped(
        {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [{"scope": {}, "logRecords": logs}]}]}
    )


def _ruby(record: str) -> str:
    return '[0] kube.litellm: [[1795422426.123, {}], {"stream"=>"stdout", "log"=>"' + record + '"}]\n'


def _ruby_escaped(record: str) -> str:
    return f'[12] kube.litellm: [1795422426.123, {{"log"=>{json.dumps(record)}, "stream"=>"stdout"}}]\n'


SAMPLES: Final[dict[str, tuple[str, Wrap]]] = {
    "docker json-file": ("docker", lambda r: _docker(r + "\n")),
    "docker json-file without a newline": ("docker", lambda r: _docker(r)),
    "docker json-file with attrs": (
        "docker",
        lambda r: dumped({"log": r + "\n", "stream": "stdout", "attrs": {"tag": "litellm"}, "time": TIME}),
    ),
    "docker json-file in parts": ("docker", _docker_parts),
    "docker compose logs": ("docker", lambda r: f"litellm-1  | {r}\n"),
    "docker service logs": ("docker", lambda r: f"ai_litellm.1.x7@node-3    | {r}\n"),
    "docker logs -t": ("time", lambda r: f"{TIME} {r}\n"),
    "cri": ("cri", lambda r: f"{TIME} stdout F {r}\n"),
    "cri with an offset": ("cri", lambda r: f"2026-11-23T09:27:06.1+01:00 stdout F {r}\n"),
    "cri with more tags": ("cri", lambda r: f"{TIME} stdout F:extra:tags {r}\n"),
    "cri in parts": ("cri", _cri_parts),
    "kubectl logs --prefix": ("kubernetes", lambda r: f"[pod/litellm-7c5d/litellm] {r}\n"),
    "stern": ("kubernetes", lambda r: f"litellm-7c5d litellm {r}\n"),
    "stern -o json": (
        "kubernetes",
        lambda r: dumped({"message": r, "nodeName": "n", "namespace": "ai", "podName": "p", "containerName": "c"}),
    ),
    "rsyslog with Kubernetes": ("kubernetes", lambda r: dumped({"message": r, "kubernetes": _kubernetes()})),
    "journalctl -o json": ("journald", _journald),
    "journalctl -o json, bytes": ("journald", lambda r: _journald(list(r.encode()))),
    "journalctl -o json, the field twice": ("journald", lambda r: _journald([r])),
    "journalctl -o json, long lines": ("journald", _journald_parts),
    "journalctl -o export": ("journald_export", _exported),
    "journalctl -o export, bytes": ("journald_export", _exported_bytes),
    "journalctl -o json-seq": ("json_seq", lambda r: "\x1e" + r + "\n"),
    "journalctl -o json-sse": ("sse", lambda r: f"data: {r}\n\n"),
    "journalctl -o short": ("syslog", lambda r: f"Nov 23 08:27:06 node-3 litellm[12]: {r}\n"),
    "journalctl -o short-iso": ("syslog", lambda r: f"2026-11-23T08:27:06+0000 node-3 litellm[12]: {r}\n"),
    "syslog, RFC 3164": ("syslog", lambda r: f"<134>Nov  3 08:27:06 node-3 litellm: {r}\n"),
    "syslog, RFC 5424": ("syslog", lambda r: f"<134>1 {TIME} node-3 litellm 12 ID47 - {r}\n"),
    "syslog, RFC 5424 with data": (
        "syslog",
        lambda r: f'<134>1 {TIME} node-3 litellm 12 - [a@1 x="]"][b@1 y="2"] {r}\n'.replace('"]"', '"\\]"'),
    ),
    "syslog, RFC 5424, counted": ("syslog", lambda r: f"{len(r) + 40} <134>1 {TIME} node-3 litellm - - - {r}\n"),
    "syslog, CEE": ("syslog", lambda r: f"<134>Nov 23 08:27:06 node-3 litellm: @cee: {r}\n"),
    "rsyslog, file": ("syslog", lambda r: f"2026-11-23T08:27:06.123456+00:00 node-3 litellm[12]: {r}\n"),
    "syslog-ng, json": (
        "syslog",
        lambda r: dumped({"PROGRAM": "litellm", "PRIORITY": "info", "MESSAGE": r, "HOST": "n", "FACILITY": "user"}),
    ),
    "fluent bit, json_lines": ("fluent_bit", lambda r: dumped({"date": 1795422426.1, "log": r})),
    "fluent bit, json": (
        "fluent_bit",
        lambda r: json.dumps([{"date": 1795422426.1, "log": r}, {"date": 1795422426.2, "log": "started"}]) + "\n",
    ),
    "fluent bit, message": ("fluent_bit", lambda r: dumped({"date": 1795422426.1, "message": r})),
    "fluent bit, kubernetes": ("fluent_bit", lambda r: dumped({"log": r + "\n", "kubernetes": _kubernetes()})),
    "fluent bit, elasticsearch": ("fluent_bit", lambda r: dumped({"@timestamp": TIME, "log": r})),
    "fluent bit, cri in parts": ("fluent_bit", lambda r: _parts(r, "logtag")),
    "fluent bit, multiline in parts": ("fluent_bit", lambda r: _parts(r, "_p")),
    "fluent bit, cri message": (
        "fluent_bit",
        lambda r: dumped({"time": TIME, "stream": "stdout", "logtag": "F", "message": r}),
    ),
    "fluent bit, multiline message": (
        "fluent_bit",
        lambda r: dumped({"time": TIME, "stream": "stdout", "_p": "F", "message": r}),
    ),
    "fluent bit, stream": ("fluent_bit", lambda r: dumped({"stream": "stdout", "log": r})),
    "fluent bit, stdout": ("fluent_bit", _ruby),
    "fluent bit, stdout, escaped": ("fluent_bit", _ruby_escaped),
    "fluent bit, file": ("fluent_bit", lambda r: f"kube.litellm: [1795422426.123, {r}]\n"),
    "fluentd, file": ("fluentd", lambda r: f"2026-11-23T08:27:06+00:00\tdocker.litellm\t{r}\n"),
    "fluentd, docker": (
        "fluentd",
        lambda r: dumped({"container_id": "c0ffee", "container_name": "/litellm", "source": "stdout", "log": r}),
    ),
    "firelens in parts": ("fluentd", _firelens_parts),
    "vector": (
        "vector",
        lambda r: dumped({"file": "/var/log/x", "host": "n", "message": r, "source_type": "file", "timestamp": TIME}),
    ),
    "vector in parts": ("vector", _vector_parts),
    "datadog": (
        "datadog",
        lambda r: dumped(
            {"ddsource": "litellm", "ddtags": "", "hostname": "h", "message": r, "service": "s", "status": "info"}
        ),
    ),
    "datadog, tags only": ("datadog", lambda r: dumped({"ddtags": "env:prod", "message": r, "status": "info"})),
    "datadog, archive of text": (
        "datadog",
        lambda r: dumped({"_id": "a", "date": TIME, "message": r, "tags": [], "attributes": {}, "status": "info"}),
    ),
    "datadog, archive of attributes": (
        "datadog",
        lambda r: f'{{"_id":"a","date":"{TIME}","service":"s","tags":[],"attributes":{r},"status":"info"}}\n',
    ),
    "cloudwatch, subscription": (
        "cloudwatch",
        lambda r: dumped(
            {
                "messageType": "DATA_MESSAGE",
                "owner": "1",
                "logGroup": "g",
                "logStream": "s",
                "subscriptionFilters": ["f"],
                "logEvents": [{"id": "1", "timestamp": 1795422426123, "message": r}],
            }
        ),
    ),
    "cloudwatch, filter-log-events": (
        "cloudwatch",
        lambda r: dumped({"events": [{"message": r, "timestamp": 1}], "searchedLogStreams": []}),
    ),
    "cloudwatch, get-log-events": (
        "cloudwatch",
        lambda r: dumped({"events": [{"message": r, "timestamp": 1}], "nextForwardToken": "f/1"}),
    ),
    "cloudwatch, pages": ("cloudwatch", lambda r: dumped({"events": [{"message": r}], "nextToken": "1"})),
    "cloudwatch, one event": (
        "cloudwatch",
        lambda r: dumped({"timestamp": 1795422426123, "message": r, "ingestionTime": 1795422427000}),
    ),
    "cloudwatch, insights": ("cloudwatch", _insights),
    "cloudwatch, insights rows": ("cloudwatch", lambda r: dumped({"@timestamp": TIME, "@message": r})),
    "cloudwatch, export": ("time", lambda r: f"2026-11-23T08:27:06.123Z {r}\n"),
    "cloudwatch, tail": ("cloudwatch", lambda r: f"2026-11-23T08:27:06.123000+00:00 ecs/litellm/1 {r}\n"),
    "gcp, json": ("gcp", lambda r: _gcp(jsonPayload=json.loads(r))),
    "gcp, text": ("gcp", lambda r: _gcp(textPayload=r)),
    "gcp without a name, json": ("gcp", lambda r: dumped({"insertId": "1", "jsonPayload": json.loads(r)})),
    "gcp without a name, text": ("gcp", lambda r: dumped({"insertId": "1", "textPayload": r})),
    "loki, push": ("loki", lambda r: dumped({"streams": [{"stream": {"a": "b"}, "values": [["1", r]]}]})),
    "loki, push with metadata": (
        "loki",
        lambda r: dumped({"streams": [{"stream": {}, "values": [["1", r, {"trace": "x"}]]}]}),
    ),
    "loki, query": (
        "loki",
        lambda r: dumped(
            {"status": "success", "data": {"resultType": "streams", "result": [{"stream": {}, "values": [["1", r]]}]}}
        ),
    ),
    "logcli -o jsonl": ("loki", lambda r: dumped({"labels": {"app": "litellm"}, "line": r, "timestamp": TIME})),
    "grafana, explore": ("loki", lambda r: dumped({"line": r, "timestamp": "1795422426000000000", "fields": {}})),
    "promtail, pack": ("loki", lambda r: dumped({"_entry": r, "pod": "litellm"})),
    "otlp": ("otlp", _otlp),
    "azure": ("azure", lambda r: dumped({"LogMessage": r, "PodName": "p", "ContainerName": "c"})),
    "splunk, hec text": ("splunk", lambda r: dumped({"time": 1, "host": "h", "sourcetype": "litellm", "event": r})),
    "splunk, hec object": ("splunk", lambda r: f'{{"time":1,"sourcetype":"litellm","event":{r}}}\n'),
    "splunk, export": ("splunk", lambda r: dumped({"preview": False, "result": {"_raw": r, "_time": TIME}})),
    "gelf": ("gelf", lambda r: dumped({"version": "1.1", "host": "h", "short_message": r, "level": 6})),
    "gelf, full": (
        "gelf",
        lambda r: dumped({"version": "1.1", "host": "h", "short_message": "x", "full_message": r}),
    ),
    "LiteLLM's API, a page": (
        "litellm_api",
        lambda r: f'{{"data":[{r}],"total":1,"page":1,"page_size":50,"total_pages":1}}\n',
    ),
    "elastic, dump": ("elastic", lambda r: dumped({"_index": "logs", "_id": "1", "_source": {"message": r}})),
    "elastic, dump of fields": ("elastic", lambda r: f'{{"_index":"logs","_id":"1","_source":{r}}}\n'),
    "elastic, answer": (
        "elastic",
        lambda r: dumped({"_shards": {}, "hits": {"total": 1, "hits": [{"_source": {"message": r}}]}}),
    ),
    "filebeat": (
        "beats",
        lambda r: dumped(
            {
                "@timestamp": TIME,
                "@metadata": {"beat": "filebeat"},
                "message": r,
                "log": {"offset": 3, "file": {"path": "/var/log/x"}},
                "agent": {"type": "filebeat"},
            }
        ),
    ),
    "logstash": ("logstash", lambda r: dumped({"@timestamp": TIME, "@version": "1", "message": r, "host": "h"})),
    "no name, message": ("other", lambda r: dumped({"message": r, "level": "info"})),
    "no name, object": ("other", lambda r: f'{{"level":"info","payload":{r}}}\n'),
    "no name, text before": ("prefix", lambda r: f"litellm.records INFO {r}\n"),
    "array": ("array", lambda r: f"[{r}]\n"),
    "array, one a line": ("array", lambda r: f"[\n{r},\n]\n"),
    "objects in a row": ("concatenated", lambda r: f'{r}{{"status":"none"}}\n'),
    "several lines": ("multi_line", lambda r: json.dumps(json.loads(r), indent=4) + "\n"),
    "several lines, tabs": ("multi_line", lambda r: json.dumps(json.loads(r), indent="\t") + "\r\n"),
    "several lines at the margin": ("multi_line", lambda r: json.dumps(json.loads(r), indent=0) + "\n"),
    "several lines in an array": ("multi_line", lambda r: json.dumps([json.loads(r)], indent=2) + "\n"),
}
"""By what it is: the name of the wrapper, and how it is made."""

NESTED: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "docker in fluent bit in vector": (
        ("docker json-file", "fluent bit, json_lines", "vector"),
        ("docker", "fluent_bit", "vector"),
    ),
    "cri in journald in gcp": (("cri", "journalctl -o json", "gcp, text"), ("cri", "journald", "gcp")),
    "syslog in cloudwatch in an array": (
        ("syslog, RFC 5424", "cloudwatch, subscription", "array"),
        ("syslog", "cloudwatch", "array"),
    ),
    "several lines in docker": (("several lines", "docker json-file"), ("multi_line", "docker")),
    "datadog in loki on several lines": (("datadog", "loki, push", "several lines"), ("datadog", "loki", "multi_line")),
}
"""By what it is: samples from the inside out, and the names of the wrappers."""
