"""Bugs of frames: what was never written whole is taken for a record, or a whole record for its end."""
