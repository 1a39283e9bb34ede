"""What every room stands on, and what knows nothing about LLMs: errors, safe files, state, HTTP, locks, the process."""
