"""Recorders for engines that are not made for a simulated disk: how what they do to a real one becomes a trace."""
