"""Plan and progress as text, CSV, JSON, Markdown and HTML."""
