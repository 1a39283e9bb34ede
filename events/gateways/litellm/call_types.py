"""LiteLLM's call types: what its records hold of prompts and answers, and what of it is read.

The table in docs/gateways/litellm.md is written from this one by ``python -m tests.versions.call_types``. It describes:
what a record holds is read by its shape, whatever it is called. It decides only where nothing readable is a fault, and
whose words a prompt or an answer is that could be anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

State = Literal["read", "not logged", "no content"]
"""Of one side of a call: Tocsin reads it; LiteLLM does not write it into the record; there is none."""

OTHER: Final = "other"
"""How a call type that is not in the table is counted."""


@dataclass(frozen=True, slots=True)
class CallType:
    """Calls that are logged alike. `names` are without the ``a`` of the asynchronous ones.

    `tool`: the answer is what a tool gave back. `body`: the prompt is one message, which holds the whole request.
    """

    names: tuple[str, ...]
    prompt: State
    answer: State
    tool_calls: State
    note: str = ""
    tool: bool = False
    body: bool = False


TABLE: Final[tuple[CallType, ...]] = (
    CallType(("completion", "anthropic_messages"), "read", "read", "read"),
    CallType(("text_completion",), "read", "read", "no content"),
    CallType(("responses",), "read", "read", "read"),
    CallType(("compact_responses",), "not logged", "read", "read", "what was compacted is encrypted"),
    CallType(
        ("realtime", "responses_websocket"),
        "read",
        "read",
        "read",
        "what was typed or transcribed. No prompts in 1.74 and 1.80, none of `responses_websocket` in 1.89",
    ),
    CallType(
        ("generate_content", "generate_content_stream"),
        "read",
        "read",
        "read",
        "LiteLLM logs only the user's last message; in 1.74 and 1.80 none",
    ),
    CallType(
        ("pass_through_endpoint",),
        "read",
        "read",
        "read",
        "the body is read by role: OpenAI, Anthropic, Gemini, Bedrock, Cohere; streams are put together",
        body=True,
    ),
    CallType(("llm_passthrough_route",), "not logged", "read", "read", body=True),
    CallType(("passthrough-image-generation",), "read", "no content", "no content", body=True),
    CallType(
        ("call_mcp_tool",), "no content", "read", "read", "the result is a tool's words (channel `tool`)", tool=True
    ),
    CallType(("list_mcp_tools",), "no content", "read", "no content", "descriptions are channel `tool`", tool=True),
    CallType(
        ("send_message", "send_message_streaming"),
        "not logged",
        "read",
        "no content",
        "agents (A2A). The user's words are read where the agent's answer repeats them",
    ),
    CallType(("get_responses", "cancel_responses", "list_input_items"), "no content", "read", "read"),
    CallType(("delete_responses",), "no content", "no content", "no content"),
    CallType(("create_interaction",), "not logged", "read", "read"),
    CallType(("query",), "not logged", "read", "read", "RAG; the chat within has a record of its own"),
    CallType(("embedding", "moderation"), "read", "no content", "no content"),
    CallType(("rerank",), "read", "read", "no content", "the query. Documents are read where the answer repeats them"),
    CallType(
        ("search",),
        "read",
        "read",
        "no content",
        "what was found is looked at as `tool` and as `output`. Before 1.108 the query is not logged",
    ),
    CallType(
        ("vector_store_search",),
        "not logged",
        "read",
        "no content",
        "what was found is looked at as `tool` and as `output`; the query where the answer repeats it",
    ),
    CallType(("vector_store_file_content",), "no content", "read", "no content", "as `tool` and as `output`"),
    CallType(("ocr",), "no content", "read", "no content", "LiteLLM logs the address or size of the document"),
    CallType(("transcription",), "no content", "read", "no content", "LiteLLM logs a checksum of the sound"),
    CallType(("speech",), "read", "no content", "no content", "sound is not looked at"),
    CallType(
        ("image_generation", "image_edit"),
        "read",
        "no content",
        "no content",
        "pictures are not looked at. Before 1.108 the prompt of `image_edit` is not logged",
    ),
    CallType(("image_variation",), "no content", "no content", "no content"),
    CallType(
        ("create_video", "video_generation", "video_edit", "video_extension", "video_remix", "video_create_character"),
        "not logged",
        "no content",
        "no content",
        "films are not looked at",
    ),
    CallType(
        (
            "video_content",
            "video_delete",
            "video_get_character",
            "video_list",
            "video_retrieve",
            "video_retrieve_job",
            "video_status",
        ),
        "no content",
        "no content",
        "no content",
    ),
    CallType(
        ("decisions", "systemone", "extraction"),
        "read",
        "read",
        "no content",
        "the prompt is the whole request, read like a body",
        body=True,
    ),
    CallType(
        ("run_code", "code_interpreter_tool"),
        "not logged",
        "read",
        "no content",
        "what the code printed is channel `tool`",
        tool=True,
    ),
    CallType(("create_sandbox", "delete_sandbox"), "no content", "no content", "no content"),
    CallType(
        ("add_message", "get_messages", "run_thread", "run_thread_stream"),
        "not logged",
        "read",
        "read",
        "LiteLLM records only failures of these. Messages in an answer are read by role",
    ),
    CallType(
        ("create_assistants", "delete_assistant", "get_assistants", "create_thread", "get_thread"),
        "no content",
        "no content",
        "no content",
        "LiteLLM records only failures of these",
    ),
    CallType(
        ("create_file", "create_skill", "ingest", "upload_container_file"),
        "not logged",
        "no content",
        "no content",
        "the file's content is not in the record",
    ),
    CallType(("file_content",), "no content", "not logged", "no content", "LiteLLM logs the size of the file"),
    CallType(
        (
            "file_delete",
            "file_list",
            "file_retrieve",
            "create_batch",
            "retrieve_batch",
            "cancel_batch",
            "list_batches",
            "batch_retrieve",
            "create_fine_tuning_job",
            "cancel_fine_tuning_job",
            "list_fine_tuning_jobs",
            "retrieve_fine_tuning_job",
            "create_container",
            "delete_container",
            "list_containers",
            "retrieve_container",
            "list_container_files",
            "vector_store_create",
            "vector_store_retrieve",
            "vector_store_list",
            "vector_store_update",
            "vector_store_delete",
            "vector_store_file_create",
            "vector_store_file_delete",
            "vector_store_file_list",
            "vector_store_file_retrieve",
            "vector_store_file_update",
            "delete_skill",
            "get_skill",
            "list_skills",
            "create_realtime_client_secret",
            "create_realtime_transcription_session",
            "create_realtime_translation_client_secret",
            "realtime_calls",
            "realtime_translation_calls",
        ),
        "no content",
        "no content",
        "no content",
        "requests in the file of a batch have no records",
    ),
)

_BY_NAME: Final = {name: entry for entry in TABLE for name in entry.names}
LABELS: Final = (*_BY_NAME, OTHER)
"""All that call types are counted as."""


@lru_cache(4_096)
def label_of(call_type: str | None) -> str:
    """The name of a call type in the table, without what says that it is asynchronous; OTHER if it has none."""
    name = call_type if type(call_type) is str else ""
    plain = name.removeprefix("_")
    for known in (name, plain, plain.removeprefix("a_"), plain.removeprefix("a")):
        if known in _BY_NAME:
            return known
    return OTHER


def entry_of(call_type: str | None) -> CallType | None:
    """What the table says of a call type, None if it says nothing."""
    return _BY_NAME.get(label_of(call_type))


def expects(call_type: str | None, side: str) -> bool:
    """Whether calls have content on the side ``prompt`` or ``answer``; those that are not in the table have."""
    entry = entry_of(call_type)
    return entry is None or (entry.prompt if side == "prompt" else entry.answer) != "no content"
