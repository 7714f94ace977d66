"""Archive from source: read over the network first, then write in one short transaction."""

from __future__ import annotations

from threads.sync.batch import Tally, sync_many, sync_thread
from threads.sync.budget import BudgetSpent, CallBudget
from threads.sync.choice import candidates, choose
from threads.sync.connections import source_for, try_connection
from threads.sync.rounds import not_read_since, refresh_connection, sync_batch
from threads.sync.writing import Outcome, Result

__all__ = [
    "BudgetSpent",
    "CallBudget",
    "Outcome",
    "Result",
    "Tally",
    "candidates",
    "choose",
    "not_read_since",
    "refresh_connection",
    "source_for",
    "sync_batch",
    "sync_many",
    "sync_thread",
    "try_connection",
]
