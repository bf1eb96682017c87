"""Explanations: a finding played again and told event by event, as rows and sentences for any reporter."""

from chaoswal.explain.table import Line
from chaoswal.explain.whole import Explanation, explain

__all__ = ["Explanation", "Line", "explain"]
