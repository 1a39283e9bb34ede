"""What every room stands on, and what knows nothing about LLMs: errors, and files written without following links."""
