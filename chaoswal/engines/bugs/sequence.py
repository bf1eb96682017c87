"""Bugs (sequence)."""
