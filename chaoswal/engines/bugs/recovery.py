"""Bugs (recovery)."""
