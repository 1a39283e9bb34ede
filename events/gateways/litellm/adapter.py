"""The adapter: buffers of LiteLLM's records to event batches."""

from __future__ import annotations

from typing import Final

import numpy as np

from events.batch import ALL_COLUMNS, SIDE_TABLES, Column, EventBatch, Floats, Raw
from events.gateways import timestamps
from events.gateways.address import Ranges
from events.gateways.bounded_cache import BoundedCache
from events.gateways.columnar import SHA256, at_most, attempt_ids, hashed, key_hash
from events.gateways.decode import Fields, prune, transposed
from events.gateways.fitting import Repairs
from events.gateways.guardrail_words import worst
from events.gateways.litellm.call_types import entry_of, label_of
from events.gateways.litellm.error_class import REFUSALS, Failure, classify, lost_refusal, names_policy
from events.gateways.litellm.guardrails import (
    Ended,
    ended_by,
    listed,
    second_witness,
    stage_of_block,
    unknown_status,
    verdict_of,
)
from events.gateways.litellm.numbers import instant_in, instants_of, number_columns
from events.gateways.litellm.own_fields import record_of
from events.gateways.litellm.plain import MAPPING, NAMES, plain
from events.gateways.litellm.record import (
    ALWAYS_PATHS,
    COLUMN_PATHS,
    CONTENT_PATHS,
    ErrorInformation,
    Metadata,
    Record,
    session_of,
)
from events.gateways.litellm.rereading import Rereading
from events.gateways.litellm.spend_logs import SpendLogsDecoder
from events.gateways.litellm.tokens import number_in
from events.gateways.names import account, of_key, short
from events.gateways.openai_content import Collector, bare, filtered, tools_called

PLACEHOLDERS: Final = frozenset(MAPPING.placeholders)

_OPERATIONS: Final = {
    "anthropic_messages": "chat",
    "call_mcp_tool": "tool",
    "compact_responses": "responses",
    "completion": "chat",
    "embedding": "embeddings",
    "generate_content": "chat",
    "generate_content_stream": "chat",
    "image_edit": "image",
    "image_generation": "image",
    "image_variation": "image",
    "moderation": "moderation",
    "realtime": "audio",
    "rerank": "rerank",
    "responses": "responses",
    "responses_websocket": "responses",
    "speech": "audio",
    "text_completion": "text_completion",
    "transcription": "audio",
}
_USUAL: Final = frozenset(
    (
        "completion",
        "acompletion",
        "anthropic_messages",
        "aanthropic_messages",
        "responses",
        "aresponses",
        "embedding",
        "aembedding",
    )
)
"""Call types whose prompt is the client's own messages, and whose answer is a model's."""
_OF_FAILURES: Final = frozenset(("error_class", "settled", "verdict"))
_FROM_ERRORS: Final = _OF_FAILURES | {"actor", "session", "end_user", "guardrails"}
_BLOCKED: Final = frozenset(("guardrail_block", "provider_policy"))
_NO_PROVIDER: Final = frozenset((None, "", "litellm_proxy"))
_REPAIRS: Final[Repairs] = {
    **dict.fromkeys(("startTime", "endTime"), instant_in),
    "completionStartTime": timestamps.parse,
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens", "response_cost"), number_in),
}
_QUIET: Final = frozenset((None, "", "not_run", "success"))
_STATUS: Final = "guardrail_information.guardrail_status"
_LONGEST_WORD: Final = 64  # characters
_UNTOLD: Final = ErrorInformation()


class LiteLLM:
    """The adapter of LiteLLM's records.

    `columns` are names of events.batch.ALL_COLUMNS; `content` asks for texts, character counts and both side
    tables. `shared_keys` are aliases or hashes of keys that many people use: they have no actor.
    `trust_client_address` says that a client cannot choose the address that is logged.

    Raises:
        ValueError: a column does not exist.
    """

    name = "litellm"
    strict = True

    def __init__(
        self,
        columns: frozenset[str],
        content: bool,
        shared_keys: frozenset[str] = frozenset(),
        trust_client_address: bool = False,
    ) -> None:
        if unknown := columns - ALL_COLUMNS:
            raise ValueError(f"no such column: {', '.join(sorted(unknown))}")
        self._columns = columns.union(SIDE_TABLES) if content else columns
        self._content = content
        self._shared = shared_keys
        self._trusted = trust_client_address
        self._whole: LiteLLM | None = None
        paths = ALWAYS_PATHS.union(*(COLUMN_PATHS[column] for column in self._columns))
        if content:
            paths |= CONTENT_PATHS
        self._decoder: SpendLogsDecoder[Record] = SpendLogsDecoder(prune(Record, paths), _REPAIRS)
        inner = {path.partition(".")[2] for path in paths if path.startswith("metadata.")}
        self._nobody = prune(Metadata, frozenset(inner))()
        of_all = self._columns - _OF_FAILURES
        self._of_callers = content or any("metadata." in path for column in of_all for path in COLUMN_PATHS[column])
        self._operations = BoundedCache(_operation, 1_024)
        self._names = BoundedCache(short, 16_384)
        self._accounts = BoundedCache(account, 16_384)
        self._keys = BoundedCache(key_hash)
        self._ranges = Ranges()
        self._classes = BoundedCache(classify, 4_096)

    def decode(self, data: Raw, *, source: str, seed: int = 0) -> EventBatch:
        """The attempts in `data`, which is whole lines; `source` names where they come from, `seed` alters the ids."""
        decoded = self._decoder.decode(data)
        fields = transposed(decoded.records, self._decoder.record)
        times, fields = instants_of(decoded, fields)
        start, end = times
        want = self._columns
        callers = self._callers(fields)
        failed = [row for row, status in enumerate(fields["status"]) if status == "failure"]
        columns: dict[str, Column] = {"time": np.where(np.isnan(end), start, end), "outcome": fields["status"]}
        batch = decoded.batch(source, self.name, data, columns, trusted=self._trusted, describe=self._describe)
        batch.columns |= number_columns(want, fields, callers, times, failed, decoded.dropped, decoded.out_of_range)
        self._identities(batch, fields, callers, np.where(np.isnan(start), end, start), seed)
        self._dimensions(batch, fields, callers)
        if want & _FROM_ERRORS:
            endings = self._errors(batch, fields, failed)
            if "verdict" in want or "guardrails" in want:
                self._verdicts(batch, fields, endings)
        if "actor" in want:
            self._actors(batch, callers)
        if "end_user" in want:
            self._end_users(batch, fields, callers)
        if "session" in want:
            self._sessions(batch, fields, callers)
        if "tool_calls" in want:
            bodies, results = self._envelopes(fields, callers)
            whole = Rereading(batch.raw, fields["call_type"], results)
            self._tool_calls(batch, fields, callers, whole)
            if self._content:
                self._texts(batch, fields, callers, whole, bodies)
        batch.columns = {name: batch.columns[name] for name in batch.columns.keys() & want}
        return batch

    def _callers(self, fields: Fields) -> Fields:
        """The metadata's fields, unknown where a record has none; none at all if only those of failures are needed."""
        if not self._of_callers:
            return {}
        nobody = self._nobody
        return transposed([nobody if caller is None else caller for caller in fields["metadata"]], type(nobody))

    def _identities(self, batch: EventBatch, fields: Fields, callers: Fields, began: Floats, seed: int) -> None:
        """The attempt is (status, key, model id, call id, start); the request is the call id of one key.

        Two callbacks may log an attempt under two response ids, so ``id`` counts only where there is no call id.
        Retries and fallbacks have starts of their own.

        A client may choose its call id (header x-litellm-call-id): with the key, it can only meet its own requests. It
        stands last, so that it cannot say what the other parts are; and only who knows the seed can say what it hashes
        to.
        """
        want, columns = self._columns, batch.columns
        if not want & {"event_id", "call_id", "key"}:
            return
        known = self._keys
        keys = columns["key"] = [
            key if key and len(key) == SHA256 and key[2] != "-" else known[key] for key in callers["user_api_key_hash"]
        ]
        if not want & {"event_id", "call_id"}:
            return
        calls, ids = fields["litellm_call_id"], fields["id"]
        names = [
            f"{status}\n{key}\n{model or ''}\n{'' if call else own}\n{call or ''}".encode()
            for status, key, model, own, call in zip(
                fields["status"], keys, fields["model_id"], ids, calls, strict=True
            )
        ]
        event_ids = attempt_ids(names, np.round(began, 6), seed)  # the same as a number and as text
        columns["event_id"] = event_ids
        if "call_id" in want:
            requests = [f"{key}\n{call or own}".encode() for key, call, own in zip(keys, calls, ids, strict=True)]
            call_ids = hashed(requests, seed)
            nameless = [row for row, call in enumerate(calls) if not (call or ids[row])]
            call_ids[nameless] = event_ids[nameless]  # each attempt is a request of its own
            columns["call_id"] = call_ids

    def _dimensions(self, batch: EventBatch, fields: Fields, callers: Fields) -> None:
        want, columns, name = self._columns, batch.columns, self._names.__getitem__
        for column in NAMES:
            if column in want:
                columns[column] = [*map(name, plain(column, fields, callers))]
        if "operation" in want:
            columns["operation"] = [*map(self._operations.__getitem__, fields["call_type"])]
        if "stream" in want:
            # It is null unless a stream succeeded: after a success that says no, after a failure nothing.
            columns["stream"] = [
                False if stream is None and status == "success" else stream
                for stream, status in zip(fields["stream"], fields["status"], strict=True)
            ]
        if "source_range" in want:
            columns["source_range"] = [*map(self._ranges.__getitem__, plain("source_range", fields, callers))]

    def _errors(self, batch: EventBatch, fields: Fields, failed: list[int]) -> dict[int, Ended]:
        """Classes of the failures; returns what each failed row says of guardrails."""
        classes = ["none"] * batch.size
        settled = [True] * batch.size
        endings: dict[int, Ended] = {}
        for row in failed:
            error = fields["error_information"][row] or _UNTOLD
            caller = fields["metadata"][row] or self._nobody
            known = caller.user_api_key_user_id or caller.user_api_key_alias
            name, code = _word(error.error_class), _word(error.error_code)
            ended = endings[row] = ended_by(error)
            failure = Failure(
                name,
                _word(error.normalized_error),
                code,
                _word(error.error_rate_limit_category),
                _word(error.error_rate_limit_type),
                bool(known or (caller.user_api_key_hash and error.llm_provider not in _NO_PROVIDER)),
                not error.llm_provider
                and (
                    error.error_message in REFUSALS
                    or (not known and lost_refusal(fields["call_type"][row], name, code, error.error_message))
                ),
                _stage(fields, row, ended),
                error.llm_provider in _NO_PROVIDER,
                names_policy(name, error.error_message),
            )
            classes[row], settled[row] = self._classes[failure]
        batch.columns |= {"error_class": classes, "settled": settled}
        return endings

    def _verdicts(self, batch: EventBatch, fields: Fields, endings: dict[int, Ended]) -> None:
        want, names = self._columns, self._names
        verdicts = ["none"] * batch.size
        pairs = zip(fields["guardrail_information"], fields["status_fields"], strict=True)
        for row, (guardrails, summed) in enumerate(pairs):
            if guardrails is None and (summed is None or summed.guardrail_status in _QUIET):
                continue
            failure = row in endings
            ended = endings[row] if failure else Ended.NO
            for guardrail in listed(guardrails):
                verdict = verdict_of(guardrail, failed=failure, ended=ended)
                if verdict != "none":
                    verdicts[row] = worst(verdicts[row], verdict)
                    if "guardrails" in want:
                        batch.guardrails.append((row, names[guardrail.guardrail_name] or "unknown", verdict))
                elif unknown_status(guardrail):
                    batch.dropped_fields[_STATUS] = batch.dropped_fields.get(_STATUS, 0) + 1
            if summed is not None and summed.guardrail_status not in _QUIET and verdicts[row] in ("none", "pass"):
                verdicts[row] = worst(verdicts[row], _witness(fields, row, ended))
        batch.guardrails = at_most(batch.guardrails, "guardrails", batch.unread)
        if "verdict" in want:
            classes = batch.objects("error_class")
            blocked = [row for row in endings if classes[row] in _BLOCKED]
            for row in blocked + filtered(fields["response"]):
                verdicts[row] = "block"
            batch.columns["verdict"] = verdicts

    def _actors(self, batch: EventBatch, callers: Fields) -> None:
        """The authenticated user, else the known key. A refused credential is nobody, and so is a shared key."""
        keys, aliases, teams = (callers[f"user_api_key_{field}"] for field in ("hash", "alias", "team_id"))
        classes, shared = batch.objects("error_class"), self._shared
        actors = [*map(self._accounts.__getitem__, callers["user_api_key_user_id"])]
        for row in [row for row, actor in enumerate(actors) if actor is None]:
            # A key that the gateway has blocked is refused with 403, and nothing but its hash is told.
            known = classes[row] != "permission" or aliases[row] or teams[row]
            if known and (key := self._keys[keys[row]]):
                actors[row] = f"key:{key}"
        if "auth" in classes:
            actors = [None if error == "auth" else actor for actor, error in zip(actors, classes, strict=True)]
        if shared:
            for row in self._behind_shared_keys(callers):
                actors[row] = None
        batch.columns["actor"] = actors

    def _behind_shared_keys(self, callers: Fields) -> list[int]:
        shared = self._shared
        pairs = zip(callers["user_api_key_hash"], callers["user_api_key_alias"], strict=True)
        return [row for row, (key, alias) in enumerate(pairs) if key in shared or alias in shared]

    def _end_users(self, batch: EventBatch, fields: Fields, callers: Fields) -> None:
        """Behind a shared key: whom the application names (``user`` of the request). Who is not named is one of them.

        An account answers for what it sends, so elsewhere there is none; and none for a refused credential.
        """
        found: list[str | None] = [None] * batch.size
        batch.columns["end_user"] = found
        if not self._shared:
            return
        classes, stated = batch.objects("error_class"), callers["user_api_key_end_user_id"]
        for row in self._behind_shared_keys(callers):
            if classes[row] != "auth":
                name = fields["end_user"][row] or stated[row]
                key = self._keys[callers["user_api_key_hash"][row]]
                found[row] = of_key(short(name) if isinstance(name, str) else None, key)

    def _sessions(self, batch: EventBatch, fields: Fields, callers: Fields) -> None:
        """The conversation that the client named. A refused credential has none, or anybody could make any number."""
        batch.columns["session"] = [
            of_key(session, self._keys[key])
            if error != "auth" and (session := session_of(trace, metadata and metadata.session_id))
            else None
            for trace, metadata, key, error in zip(
                fields["trace_id"],
                callers["requester_metadata"],
                callers["user_api_key_hash"],
                batch.objects("error_class"),
                strict=True,
            )
        ]

    def _envelopes(self, fields: Fields, callers: Fields) -> tuple[frozenset[int], frozenset[int]]:
        """The attempts whose prompt is the body of a request, and those whose answer is what a tool gave back."""
        bodies, results = set(), set()
        entries = {call_type: entry_of(call_type) for call_type in set(fields["call_type"]) - _USUAL}
        for row, call_type in enumerate(fields["call_type"]) if entries else ():
            if call_type in entries:
                entry = entries[call_type]
                if entry is None or entry.body:
                    bodies.add(row)
                elif entry.tool:
                    results.add(row)
        for row, call in enumerate(callers["mcp_tool_call_metadata"]):
            if call is not None and not getattr(fields["response"][row], "choices", None):
                results.add(row)
        return frozenset(bodies), frozenset(results)

    def _tool_calls(self, batch: EventBatch, fields: Fields, callers: Fields, whole: Rereading) -> None:
        """The tools that the model called, and those that were called through the gateway."""
        called: list[tuple[int, str | None]] = [*tools_called(fields["response"])]
        for row in bare(fields["response"]):
            called += [(row, name) for name in whole.answer(row).called]
        for row, call in enumerate(callers["mcp_tool_call_metadata"]):
            if call is not None:
                called.append((row, call.namespaced_tool_name or call.name))
        names = self._names
        called = at_most(called, "tool_calls", batch.unread)
        batch.tool_calls = [(row, label) for row, name in called if (label := names[name])]

    def _texts(
        self, batch: EventBatch, fields: Fields, callers: Fields, whole: Rereading, bodies: frozenset[int]
    ) -> None:
        systems = [given and (given.system or given.instructions) for given in fields["model_parameters"]]
        collector = Collector(PLACEHOLDERS, whole)
        collector.collect(fields["messages"], systems, fields["response"], bodies=bodies, results=whole.results)
        for row, call in enumerate(callers["mcp_tool_call_metadata"]):
            if call is not None:
                collector.tool_call(row, call.namespaced_tool_name or call.name, call.arguments)
        batch.texts, batch.skipped = collector.texts, collector.skipped
        batch.input_chars = np.array(collector.input_chars, np.float64)
        batch.output_chars = np.array(collector.output_chars, np.float64)
        batch.has_content = (batch.input_chars > 0) | (batch.output_chars > 0)
        batch.unread_content = [
            (row, label_of(fields["call_type"][row]), side) for row, side in dict.fromkeys(collector.unread)
        ]

    def _describe(self, raw: bytes) -> dict[str, object]:
        if self._whole is None:
            self._whole = LiteLLM(ALL_COLUMNS, True, self._shared, self._trusted)
        header = self._whole._decoder.header = self._decoder.header
        return record_of(self._whole.decode(raw, source=""), raw, header)


def _operation(call_type: str | None) -> str:
    """The operation of a call type; an asynchronous one has ``a`` or ``_a`` in front."""
    name = (call_type or "").removeprefix("_")
    return _OPERATIONS.get(name) or _OPERATIONS.get(name.removeprefix("a"), "other")


def _stage(fields: Fields, row: int, ended: Ended) -> str:
    """Where a guardrail ended a failed attempt, as `stage_of_block` says it."""
    guardrails, witness = fields["guardrail_information"][row], _witness(fields, row, ended)
    if guardrails is None and witness == "none" and (ended is Ended.NO or ended is Ended.REFUSED):
        return ""
    return stage_of_block(listed(guardrails), witness, ended)


def _witness(fields: Fields, row: int, ended: Ended) -> str:
    """What LiteLLM's own sum says that the guardrails did."""
    summed = fields["status_fields"][row]
    if summed is None or summed.guardrail_status in _QUIET:
        return "none"
    return second_witness(summed.guardrail_status, ended)


def _word(value: str | float | None) -> str:
    """What an error calls itself; a longer one is none that is known, and would only fill memory."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)[:_LONGEST_WORD] if value else ""
