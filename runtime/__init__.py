"""What every room stands on, and what knows nothing about LLMs: errors, texts, safe files, state, HTTP, locks."""
