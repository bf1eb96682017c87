"""Lint: patterns in the trace of one passing run that crashes turn into violations, and whether they really do."""
