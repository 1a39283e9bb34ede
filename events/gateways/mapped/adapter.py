"""The adapter of every gateway that is a mapping: buffers of JSON lines to event batches."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np

from events.batch import ALL_COLUMNS, OTHER_RECORDS, SIDE_TABLES, Column, EventBatch, Floats, Raw, Reject
from events.gateways.address import Ranges
from events.gateways.bounded_cache import BoundedCache
from events.gateways.columnar import LIMITS, actors_of, at_most, attempt_ids, hashed, key_hash, without_impossible
from events.gateways.decode import Decoded
from events.gateways.ecs_record import LoggedNames, flat_record
from events.gateways.guardrail_words import worst
from events.gateways.mapped.content import shaped
from events.gateways.mapped.decoder import Records
from events.gateways.mapped.failures import BLOCKED, OTHER, endings
from events.gateways.mapped.model import Mapping, Paths, each_of, used_paths
from events.gateways.mapped.paths import parse_path, walk
from events.gateways.mapped.values import (
    WordTable,
    booleans_of,
    number_of,
    numbers_of,
    seconds_of,
    text_of,
    texts_of,
    times_of,
)
from events.gateways.names import account, of_key, short
from events.gateways.openai_content import Collector, filtered, tools_called

_NUMBERS: Final = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_usd")
_TEXTS: Final = ("id", "call_id", "user", "key", "key_name", "tenant", "model", "provider", "client_address")
_CLIENT_CHOSEN: Final = ("session", "end_user")
_Texts = dict[str, list[str | None]]
_REFUSED: Final = frozenset(("auth", "permission", "rate_limit_caller", "quota", "guardrail_block", "invalid_request"))
"""What ends a request also when its attempts are logged one by one: the gateway asks no other provider."""


class MappedGateway:
    """The adapter of a mapping; the other arguments are those of `events.gateways.gateway`.

    Raises:
        ValueError: a column does not exist.
    """

    strict = False

    def __init__(
        self,
        mapping: Mapping,
        columns: frozenset[str],
        content: bool,
        shared_keys: frozenset[str] = frozenset(),
        trust_client_address: bool = False,
    ) -> None:
        if unknown := columns - ALL_COLUMNS:
            raise ValueError(f"no such column: {', '.join(sorted(unknown))}")
        self.name = mapping.gateway
        self.mapping = mapping
        self._columns = columns.union(SIDE_TABLES) if content else columns
        self._content = content
        self._shared = shared_keys
        self._trusted = trust_client_address
        paths = used_paths(mapping, content=content, answer=content or "tool_calls" in self._columns)
        self._records = Records(map(parse_path, paths), map(parse_path, mapping.parse))
        self._tables = {
            name: WordTable(table)
            for name in ("operation", "outcome", "error_class", "verdict")
            if (table := getattr(mapping, name)) is not None
        }
        self._results = WordTable(mapping.guardrails.verdict) if mapping.guardrails is not None else None
        self._only = [(path, frozenset(map(str.casefold, words))) for path, words in mapping.only.items()]
        self._names = BoundedCache(short, 16_384)
        self._accounts = BoundedCache(account, 16_384)
        self._keys = BoundedCache(key_hash)
        self._ranges = Ranges()
        self._whole: MappedGateway | None = None

    def opens(self, places: frozenset[str]) -> bool:
        """Whether the mapping opens a text at one of `places`, dotted names."""
        return any(".".join(parse_path(text).names) in places for text in self.mapping.parse)

    # ------------------------------------------------------------------------------------------------------ decode
    def decode(self, data: Raw, *, source: str, seed: int = 0) -> EventBatch:
        """The attempts in `data`, which is whole lines; `source` names where they come from, `seed` alters the ids."""
        decoded = self._records.decode(data)
        self._leave_out_others(decoded)
        start, end = self._times(decoded)
        columns: dict[str, Column] = {"time": np.where(np.isnan(end), start, end)}
        batch = decoded.batch(source, self.name, data, columns, trusted=self._trusted, describe=self._describe)
        self._endings(batch, decoded)
        self._numbers(batch, decoded, start, end)
        texts = self._named(decoded)
        self._identities(batch, texts, np.where(np.isnan(start), end, start), seed)
        self._dimensions(batch, decoded, texts)
        answers = self._texts(batch, decoded)
        self._guardrails(batch, decoded, answers)
        batch.columns = {name: batch.columns[name] for name in batch.columns.keys() & self._columns}
        return batch

    def _column(self, paths: Paths, decoded: Decoded[Any]) -> list[Any]:
        return self._records.column(paths, decoded.records, decoded.unread)

    def _named(self, decoded: Decoded[Any]) -> _Texts:
        """The columns that are names, as the log has them."""
        texts: _Texts = {}
        for name in (*_TEXTS, *_CLIENT_CHOSEN):
            texts[name] = texts_of(self._column(getattr(self.mapping, name), decoded), name, decoded.dropped)
        return texts

    def _table(self, name: str, decoded: Decoded[Any]) -> list[str | None]:
        table = self._tables.get(name)
        if table is None:
            return [None] * len(decoded.records)
        values = self._column(getattr(self.mapping, name).path, decoded)
        return table.words(values, name, decoded.dropped)

    def _leave_out_others(self, decoded: Decoded[Any]) -> None:
        """Lines that are no attempts by the mapping's `only` are noted and counted."""
        for path, words in self._only:
            values = self._column(path, decoded)
            kept = [row for row, value in enumerate(values) if _words(value) & words]
            if len(kept) < len(values):
                lines = decoded.lines if decoded.lines is not None else range(len(values))
                left_out = set(range(len(values))).difference(kept)
                decoded.noted().lines.extend(lines[row] for row in sorted(left_out))
                decoded.unread[OTHER_RECORDS] += len(left_out)
                _keep(decoded, kept)

    def _times(self, decoded: Decoded[Any]) -> tuple[Floats, Floats]:
        """Start and end of each attempt; a record without any time is no attempt and becomes a reject."""
        mapping, found, stated = self.mapping, [], np.zeros(len(decoded.records), np.bool_)
        for name, time in (("start", mapping.start), ("end", mapping.end)):
            if time is None:
                found.append(np.full(len(decoded.records), np.nan))
                continue
            values = self._column(time.path, decoded)
            stated |= np.array([value is not None and value != "" for value in values], np.bool_)
            found.append(times_of(values, time.format, name, decoded.dropped, decoded.out_of_range))
        start, end = found
        if mapping.duration is not None and mapping.end is None:
            values = self._column(mapping.duration.path, decoded)
            end = start + np.nan_to_num(self._durations(values, mapping.duration.unit))
        useless = np.isnan(start) & np.isnan(end)
        if useless.any():
            lines = decoded.lines if decoded.lines is not None else range(len(decoded.records))
            field = " and ".join(name for name in ("start", "end") if getattr(mapping, name) is not None)
            for row in np.flatnonzero(useless).tolist():
                reason = "invalid_value" if stated[row] else "missing_field"
                decoded.rejects.append(Reject(lines[row], reason, field))
            _keep(decoded, np.flatnonzero(~useless).tolist())
            start, end = start[~useless], end[~useless]
        return start, end

    @staticmethod
    def _durations(values: list[Any], unit: str) -> Floats:
        """Without counting: the column itself is counted once."""
        seconds = seconds_of(values, unit, "duration", Counter())
        return without_impossible(seconds, "duration", LIMITS["duration"], Counter(), Counter())

    def _numbers(self, batch: EventBatch, decoded: Decoded[Any], start: Floats, end: Floats) -> None:
        mapping, want, columns = self.mapping, self._columns, batch.columns
        found: dict[str, Floats] = {}
        if "duration" in want:
            found["duration"] = end - start
        for name, amount in (("duration", mapping.duration), ("time_to_first_chunk", mapping.time_to_first_chunk)):
            if name in want and amount is not None:
                found[name] = seconds_of(self._column(amount.path, decoded), amount.unit, name, decoded.dropped)
        outcomes = batch.objects("outcome")
        failed = [row for row, outcome in enumerate(outcomes) if outcome == "failure"] if "failure" in outcomes else []
        for name in _NUMBERS:
            if name in want:
                values = self._column(getattr(mapping, name), decoded)
                number = numbers_of(values, name, decoded.dropped)
                if failed:  # gateways write 0 for what they do not know
                    number[failed] = np.where(number[failed] == 0, np.nan, number[failed])
                found[name] = number
        for name in want & LIMITS.keys():
            column = found.get(name, np.full(batch.size, np.nan))
            columns[name] = without_impossible(column, name, LIMITS[name], decoded.dropped, decoded.out_of_range)

    def _identities(self, batch: EventBatch, texts: _Texts, began: Floats, seed: int) -> None:
        """The attempt is (outcome, key, user, model, id, call id, start), or its very bytes if it has neither id.

        A client may choose its call id: with key and user, it can only meet its own requests.
        """
        columns = batch.columns
        keys = columns["key"] = [self._keys[key] for key in texts["key"]]
        if not self._columns & {"event_id", "call_id"}:
            return
        own, calls = texts["id"], texts["call_id"]
        owners = [f"{key}\n{user}" for key, user in zip(keys, texts["user"], strict=True)]
        parts = zip(batch.objects("outcome"), owners, texts["model"], own, calls, strict=True)
        names = [
            f"{outcome}\n{owner}\n{model}\n{mine}\n{call}".encode("utf-8", "replace")
            if mine or call
            else batch.raw[row]
            for row, (outcome, owner, model, mine, call) in enumerate(parts)
        ]
        event_ids = columns["event_id"] = attempt_ids(names, began, seed)
        requests = [f"{owner}\n{call}".encode("utf-8", "replace") for owner, call in zip(owners, calls, strict=True)]
        call_ids = hashed(requests, seed)
        nameless = [row for row, call in enumerate(calls) if not call]
        call_ids[nameless] = event_ids[nameless]  # each attempt is a request of its own
        columns["call_id"] = call_ids

    def _endings(self, batch: EventBatch, decoded: Decoded[Any]) -> None:
        mapping = self.mapping
        statuses: list[int | None] = [None] * batch.size
        if mapping.status:
            values = self._column(mapping.status, decoded)
            numbers = numbers_of(values, "status", decoded.dropped).tolist()
            statuses = [int(number) if 0 <= number < 1000 else None for number in numbers]
        batch.columns["outcome"], batch.columns["error_class"] = endings(
            self._table("outcome", decoded), self._table("error_class", decoded), statuses, mapping.error_by_status
        )
        if mapping.records == "requests":
            batch.columns["settled"] = [True] * batch.size
            return
        batch.columns["settled"] = [
            outcome == "success" or error in _REFUSED
            for outcome, error in zip(batch.objects("outcome"), batch.objects("error_class"), strict=True)
        ]

    def _dimensions(self, batch: EventBatch, decoded: Decoded[Any], texts: _Texts) -> None:
        want, columns, name = self._columns, batch.columns, self._names.__getitem__
        for column in ("tenant", "model", "provider"):
            if column in want:
                columns[column] = [name(text) for text in texts[column]]
        if "operation" in want:
            columns["operation"] = [word or OTHER for word in self._table("operation", decoded)]
        if "stream" in want:
            values = self._column(self.mapping.stream, decoded)
            columns["stream"] = booleans_of(values, "stream", decoded.dropped)
        if "source_range" in want:
            columns["source_range"] = [self._ranges[text] for text in texts["client_address"]]
        if "actor" in want:
            users = [self._accounts[user] for user in texts["user"]]
            keys, classes = batch.objects("key"), batch.objects("error_class")
            columns["actor"] = actors_of(users, keys, texts["key_name"], classes, self._shared)
        for column in want.intersection(_CLIENT_CHOSEN):
            columns[column] = self._client_chosen(column, batch, texts)

    def _client_chosen(self, column: str, batch: EventBatch, texts: _Texts) -> list[str | None]:
        """Sessions that clients name, and the people that an application with a shared key names; else None."""
        shared, sessions = self._shared, column == "session"
        names, keys, classes = texts["key_name"], batch.objects("key"), batch.objects("error_class")
        return [
            of_key(short(chosen), key or name)
            if error != "auth" and (chosen if sessions else key in shared or name in shared)
            else None
            for chosen, key, name, error in zip(texts[column], keys, names, classes, strict=True)
        ]

    def _guardrails(self, batch: EventBatch, decoded: Decoded[Any], answers: list[Any]) -> None:
        """The worst of what guardrails did, and each of their results. What blocked the request is a block."""
        if not self._columns & {"verdict", "guardrails"}:
            return
        verdicts = [word or "none" for word in self._table("verdict", decoded)]
        guardrails = self.mapping.guardrails
        if guardrails is not None and self._results is not None:
            name, path = parse_path(guardrails.name).steps, each_of(guardrails.verdict.path)
            steps = [parse_path(text).steps for text in path]
            for row, results in enumerate(self._column(guardrails.each, decoded)):
                for result in _listed(results):
                    values = (walk(result, step, decoded.unread) for step in steps)
                    value = next((value for value in values if value is not None), None)
                    verdict = self._results.word(value, "guardrails", decoded.dropped) or "none"
                    if verdict == "none":
                        continue
                    verdicts[row] = worst(verdicts[row], verdict)
                    called = (
                        text_of(walk(result, name, decoded.unread), "guardrails", decoded.dropped) if name else None
                    )
                    batch.guardrails.append((row, self._names[called] or "unknown", verdict))
            batch.guardrails = at_most(batch.guardrails, "guardrails", decoded.unread)
        for row, error in enumerate(batch.objects("error_class")):
            if error in BLOCKED:
                verdicts[row] = "block"
        for row in filtered(answers):
            verdicts[row] = "block"
        batch.columns["verdict"] = verdicts

    def _texts(self, batch: EventBatch, decoded: Decoded[Any]) -> list[Any]:
        """Texts, their sizes and tool calls; the answers come back, as guardrails look at how they ended."""
        mapping, dropped, unread = self.mapping, decoded.dropped, decoded.unread
        if not (self._content or "tool_calls" in self._columns):
            return []
        answers = shaped("answer", self._column(mapping.answer, decoded), dropped, unread)
        called: list[tuple[int, str | None]] = [*tools_called(answers)]
        arguments: list[tuple[int, str, Any]] = []
        if (calls := mapping.tool_calls) is not None:
            name, inner = parse_path(calls.name).steps, parse_path(calls.arguments).steps
            for row, found in enumerate(self._column(calls.each, decoded)):
                for call in _listed(found):
                    tool = text_of(walk(call, name, unread), "tool_calls", dropped)
                    called.append((row, tool))
                    if calls.arguments:
                        arguments.append((row, tool or "unknown", walk(call, inner, unread)))
        called = at_most(called, "tool_calls", unread)
        batch.tool_calls = [(row, label) for row, tool in called if (label := self._names[tool])]
        if self._content:
            prompts, systems = (
                shaped(name, self._column(getattr(mapping, name), decoded), dropped, unread)
                for name in ("prompt", "system")
            )
            collector = Collector(frozenset(mapping.placeholders))
            collector.collect(prompts, systems, answers)
            for row, tool, given in at_most(arguments, "tool_calls", Counter()):
                collector.tool_call(row, tool, given)
            batch.texts, batch.skipped = collector.texts, collector.skipped
            batch.input_chars = np.array(collector.input_chars, np.float64)
            batch.output_chars = np.array(collector.output_chars, np.float64)
            batch.has_content = (batch.input_chars > 0) | (batch.output_chars > 0)
        return answers

    # ---------------------------------------------------------------------------------------------------- describe
    def _describe(self, raw: bytes) -> dict[str, object]:
        if self._whole is None:
            self._whole = MappedGateway(self.mapping, ALL_COLUMNS, True, self._shared, self._trusted)
        return self._whole.record_of(raw)

    def record_of(self, raw: bytes) -> dict[str, object]:
        """The flat record of one line, by an adapter of all columns and content.

        Raises:
            LookupError: the bytes are no attempt.
        """
        batch = self.decode(raw, source="")
        if batch.size != 1:
            raise LookupError("these bytes are no attempt")
        decoded: Decoded[Any] = Decoded(list(batch.records))
        texts = {name: short(values[0]) for name, values in self._named(decoded).items()}
        status = number_of(self._column(self.mapping.status, decoded)[0], "status", Counter())
        names = LoggedNames(
            call=texts["call_id"],
            user=texts["user"],
            key_alias=texts["key_name"],
            session=texts["session"],
            end_user=texts["end_user"],
            client_address=texts["client_address"],
            status=int(status) if 0 <= status < 1000 else None,
        )
        return flat_record(batch, raw, names)


def _words(value: Any) -> set[str]:
    """What a value of `only` says, as words in small letters."""
    return {
        ("true" if item else "false") if isinstance(item, bool) else str(item).casefold()
        for item in _listed(value)
        if isinstance(item, str | int)
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else ([] if value is None else [value])


def _keep(decoded: Decoded[Any], kept: list[int]) -> None:
    lines = decoded.lines if decoded.lines is not None else range(len(decoded.records))
    decoded.records, decoded.lines = [decoded.records[row] for row in kept], [lines[row] for row in kept]
