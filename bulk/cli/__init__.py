"""The command line: words, flags, prompts, progress, exit codes; it decides nothing."""
