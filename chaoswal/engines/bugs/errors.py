"""Bugs (errors)."""
