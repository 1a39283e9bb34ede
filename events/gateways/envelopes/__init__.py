"""Prompts and answers in envelopes that are not the usual ones, read from plain JSON values by their shape.

The usual ones are typed (see `events.gateways.openai_content`), because nearly all records have them. This room reads
the rest: requests and answers of other APIs, events of realtime sessions, bodies and streams that were passed through,
results of tools and searches. A shape that it does not know is not guessed at: it is told as unread.
"""

from events.gateways.envelopes.reader import read_answer, read_body, read_prompt
from events.gateways.envelopes.reading import FOUND, Reading

__all__ = ["FOUND", "Reading", "read_answer", "read_body", "read_prompt"]
