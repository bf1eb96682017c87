"""Engines and files that do what they can to break whoever runs them."""
