"""Reports: text for people, JSON for programs; they see notices and explanations, never an engine."""
