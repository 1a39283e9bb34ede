"""The names by which APIs say whose words a text is, and what is no text at all."""

from __future__ import annotations

from typing import Final

CHANNELS: Final[dict[str, str]] = {
    "user": "user",
    "human": "user",
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "role_agent": "assistant",
    "role_user": "user",
    "tool": "tool",
    "function": "tool",
}
"""By role in small letters: whose words a message has. Any other role is the client's."""

CALL_ENDING: Final = "_call"
"""Items whose type ends so are tool calls of the model, whichever tool it is."""
CALL_TYPES: Final = frozenset(("tool_use", "server_tool_use", "mcp_tool_use", "mcp_approval_request"))
"""Items of other types that are."""
RESULT_ENDINGS: Final = ("_call_output", "_result")
"""Items whose type ends so hold what a tool gave back."""


def is_call(kind: object) -> bool:
    """Whether an item of type `kind` is a tool call."""
    return type(kind) is str and (kind in CALL_TYPES or kind.endswith(CALL_ENDING))


def is_result(kind: object) -> bool:
    """Whether an item of type `kind` is what a tool gave back."""
    return type(kind) is str and kind.endswith(RESULT_ENDINGS)


def called(name: object, kind: object) -> str | None:
    """The name of a tool call: its own, else its type if that says which tool it is."""
    if type(name) is str and name:
        return name
    return kind if type(kind) is str and kind.endswith(CALL_ENDING) and kind != "function_call" else None


CALL_ARGUMENTS: Final = ("arguments", "input", "args", "parameters", "action", "operation", "code", "queries", "query")
"""Where tool calls of one sort or another have what the tool is to do."""
CALL_RESULTS: Final = ("output", "outputs", "results", "result", "error")
"""Where an item that is a tool call has what the tool gave back, if the provider ran it."""

SYSTEM: Final = ("system", "systemInstruction", "system_instruction", "instructions", "preamble", "system_prompt")
"""System prompts of a request, which stand outside of its messages."""
TURNS: Final = ("messages", "contents", "input", "chat_history", "history")
"""Turns of a request, each with its role; a text or a list of texts is the user's."""
PROMPTS: Final = (
    "prompt",
    "prompts",
    "negative_prompt",
    "message",
    "inputText",
    "inputs",
    "text",
    "texts",
    "query",
    "queries",
    "question",
    "instruction",
    "content",
    "parts",
    "params",
    "requests",
    "request",
    "instances",
    "body",
    "state",
    "questions",
)
"""What the user says, in requests that are no conversation; and what such requests are wrapped in."""
MATERIAL: Final = ("documents", "tool_results", "context", "files", "data_sources", "attachments")
"""What a request brings along for the model to read."""

SPOKEN: Final = (
    "text",
    "content",
    "refusal",
    "reasoning",
    "reasoning_content",
    "reasoningText",
    "reasoningContent",
    "thinking",
    "transcript",
    "transcripts",
    "markdown",
    "html",
    "summary",
    "completion",
    "generation",
    "generated_text",
    "outputText",
    "output_text",
    "answer",
    "caption",
    "revised_prompt",
    "cited_text",
    "snippet",
    "title",
    "description",
    "translation",
    "message",
    "response",
    "response_text",
    "summary_text",
    "prediction",
    "sentence",
    "statement",
    "explanation",
    "highlights",
)
"""Where an answer has words, and what holds such."""
WRAPPERS: Final = (
    "choices",
    "delta",
    "candidates",
    "parts",
    "output",
    "outputs",
    "results",
    "result",
    "items",
    "item",
    "data",
    "pages",
    "documents",
    "document",
    "predictions",
    "generations",
    "artifacts",
    "artifact",
    "history",
    "status",
    "audio",
    "thinking_blocks",
    "message",
    "messages",
    "alternatives",
    "channels",
    "utterances",
    "body",
    "citations",
    "annotations",
    "tool_calls",
    "tools",
    "images",
    "videos",
    "logs",
    "stdout",
    "stderr",
    "steps",
    "step_details",
    "tables",
    "document_annotation",
    "keyValuePairs",
    "value",
    "search_results",
    "chunks",
    "image_results",
    "task",
    "tasks",
    "json",
)
"""What an answer is wrapped in; a text that stands there itself is words of the answer."""
SECOND: Final = ("segments", "words", "logprobs", "timestamps")
"""The same words again, in pieces; read only where the whole is missing."""

METADATA: Final = frozenset(
    (
        "id",
        "object",
        "type",
        "kind",
        "model",
        "model_version",
        "modelVersion",
        "status",
        "role",
        "name",
        "filename",
        "file_name",
        "purpose",
        "finish_reason",
        "finishReason",
        "stop_reason",
        "stopReason",
        "stop_sequence",
        "system_fingerprint",
        "service_tier",
        "url",
        "uri",
        "b64_json",
        "bytes",
        "language",
        "format",
        "quality",
        "size",
        "background",
        "output_format",
        "encoding",
        "endpoint",
        "completion_window",
        "usage",
        "meta",
        "metadata",
        "error",
        "errors",
        "jsonrpc",
        "traceId",
        "responseId",
        "requestId",
        "provider",
        "seconds",
        "voice",
        "event",
        "event_id",
        "task",
        "duration",
        "timestamp",
        "created",
        "version",
        "signature",
        "thoughtSignature",
        "encrypted_content",
        "redacted",
        "mime_type",
        "mimeType",
        "media_type",
        "image",
        "image_url",
        "file",
        "file_data",
        "input_audio",
        "video",
        "headers",
        "expires_after",
        "next_page",
        "nextCursor",
        "first_id",
        "last_id",
        "tool_choice",
        "parallel_tool_calls",
        "truncation",
        "instructions",
        "session",
        "response_format",
        "safetyRatings",
        "promptFeedback",
        "usageMetadata",
        "moderation",
        "categories",
        "category_scores",
        "inputSchema",
        "input_schema",
        "outputSchema",
        "parameters",
    )
)
"""What describes a record and says nothing itself: no words are missed there."""
METADATA_ENDINGS: Final = (
    "_id",
    "Id",
    "_at",
    "_url",
    "_uri",
    "_type",
    "_hmac",
    "_chars",
    "_status",
    "_reason",
    "_version",
)
"""Ends of other such names."""
CONFIGURATION: Final = METADATA | frozenset(
    (
        "tools",
        "functions",
        "function_call",
        "toolConfig",
        "tool_config",
        "generationConfig",
        "generation_config",
        "inferenceConfig",
        "safetySettings",
        "stop",
        "stop_sequences",
        "user",
        "user_id",
        "reasoning",
        "thinking",
        "modalities",
        "audio",
        "stream_options",
        "logit_bias",
        "include",
        "text_format",
        "cachedContent",
        "guardrailConfig",
        "anthropic_version",
        "anthropic_beta",
        "mcp_servers",
        "container",
        "method",
        "configuration",
        "config",
        "litellm_metadata",
        "guardrails",
        "tags",
        "vector_store_ids",
        "input_type",
        "embedding_types",
        "truncate",
        "dimensions",
        "encoding_format",
        "response_modalities",
        "prediction",
        "labels",
    )
)
"""What configures a request."""
