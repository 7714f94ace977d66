"""What gunicorn calls while it runs; `manage.py start` names this module to it."""

from __future__ import annotations

from typing import Any

from threadhub.lib.tied import die_with_parent


def when_ready(_server: Any) -> None:
    """Make everything ready once, before the workers are made: they share it."""
    from threads.views.ready import warm_up

    warm_up()


def post_fork(server: Any, _worker: Any) -> None:
    """Tie each worker to its master, so that a killed server leaves nobody on the port."""
    die_with_parent(server.pid)
