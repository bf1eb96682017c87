"""Bugs (subscribers)."""
