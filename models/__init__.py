"""Reference models: what an engine is allowed to show, in plain Python that shares no code with what it judges."""
