"""Archive from source: read over the network first, then write in one short transaction."""

from __future__ import annotations

from threads.sync.batch import Tally, sync_many, sync_thread
from threads.sync.budget import BudgetSpent, CallBudget
from threads.sync.choice import candidates, choose
from threads.sync.connections import eraser_for, source_for, try_connection
from threads.sync.files import FileBusy, FileGone, fetch_file, is_missing
from threads.sync.fresh import Cost, End, preview, read_for, seconds_left
from threads.sync.ledger import Day, days_of, fold_old_runs
from threads.sync.reasons import reason_for
from threads.sync.rounds import not_read_since, refresh_connection, replan, sync_batch
from threads.sync.writing import Outcome, Result


def is_own_limit(outcome: Outcome) -> bool:
    """Tell whether a batch was stopped by our own limit of calls and not by the server."""
    return isinstance(outcome.error, BudgetSpent)


__all__ = [
    "BudgetSpent",
    "CallBudget",
    "Cost",
    "Day",
    "End",
    "FileBusy",
    "FileGone",
    "Outcome",
    "Result",
    "Tally",
    "candidates",
    "choose",
    "days_of",
    "eraser_for",
    "fetch_file",
    "fold_old_runs",
    "is_missing",
    "is_own_limit",
    "not_read_since",
    "preview",
    "read_for",
    "reason_for",
    "refresh_connection",
    "replan",
    "seconds_left",
    "source_for",
    "sync_batch",
    "sync_many",
    "sync_thread",
    "try_connection",
]
