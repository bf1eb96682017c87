"""Engines under test: the adapter protocol, the registry, and the adapters that ship."""
