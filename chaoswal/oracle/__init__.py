"""The oracle: folds what was asked and promised into the models, and compares with them what recovery shows.

A history is fed the markers of a trace, one by one; at any crash point it knows what is allowed. Its ``key`` is equal
exactly where the allowed is, so that each pair of image and history is judged once. The comparison is made in two
steps: a quick one that says yes or no, and, after a no, a slow one that says which violation it is.
"""

from chaoswal.oracle.history import History, held_at
from chaoswal.oracle.kv import KvHistory
from chaoswal.oracle.ledger import Ledger
from chaoswal.oracle.queue import QueueHistory
from chaoswal.oracle.sight import ERROR, Observed, Traits, promise_word

__all__ = ["ERROR", "History", "KvHistory", "Ledger", "Observed", "QueueHistory", "Traits", "held_at", "promise_word"]
