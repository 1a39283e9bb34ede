"""Pages for people, as Markdown: runbooks and reference; and the schema that editors read."""
