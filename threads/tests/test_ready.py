"""What a server does before it has workers."""

from __future__ import annotations

import gc

from threads.views.ready import warm_up


def test_it_gets_ready_without_a_database_that_workers_would_inherit() -> None:
    try:
        warm_up()  # a test without the mark fails at the first query

        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
