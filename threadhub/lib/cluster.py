"""The background worker: runs it, and tells how it is."""

from __future__ import annotations

import multiprocessing

from django_q import cluster
from django_q.brokers import get_broker
from django_q.status import Stat

from threadhub.lib.sentinel import HardenedSentinel

GUARD_DIED = 70  # exit status (EX_SOFTWARE of sysexits.h): whoever started us should start again


def run() -> int:
    """Run workers until SIGTERM or SIGINT, and let running tasks end. Returns the exit status.

    :raises RuntimeError: when they could not be started, for instance because Redis is away.
    """
    cluster.Sentinel = HardenedSentinel
    running = cluster.Cluster()
    running.start()
    guard: multiprocessing.Process = running.sentinel
    guard.join()
    return 0 if guard.exitcode == 0 else GUARD_DIED


def worker_count() -> int:
    """Return how many worker processes gave a sign of life in the last seconds; 0 means none.

    Reads the cache only.
    """
    return sum(len(stat.workers) for stat in Stat.get_all())


def queue_length() -> int:
    """Return how many tasks wait in the queue; costs one query (or one call to Redis)."""
    return int(get_broker().queue_size())
