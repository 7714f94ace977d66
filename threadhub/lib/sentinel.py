"""django-q2's guard process, so that no killed process can stop the background work.

What it changes, each seen to happen with django-q2 1.11:

* a worker that is killed while it waits takes the queue's lock with it, and the cluster looks
  alive but never runs a task again: here queues and processes are made anew;
* a killed monitor loses results, so finished tasks run again: likewise;
* SIGTERM to all processes at once, as systemd sends it, kills the guard while it holds the lock
  that the main process then waits for: here only the main process listens to it;
* a killed guard or main process leaves workers that go on beside the next cluster's: here every
  process is tied to its parent.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

from django import db
from django_q import cluster
from django_q.conf import Conf
from django_q.scheduler import scheduler
from django_q.signing import SignedPackage
from django_q.status import Stat

from threadhub.lib import schedules
from threadhub.lib.tied import die_with_parent

log = logging.getLogger("threadhub.worker")

HEARTBEAT_SECONDS = 15  # how long a sign of life counts; a loaded machine may delay the next one
_SCHEDULE_SECONDS = 30
_FIRST_SCHEDULE_SECONDS = 5  # after a start, so that the figures of a new installation come soon
_LOCK_SECONDS = 2  # longer than any living process holds one of the locks
_EXIT_SECONDS = 5  # for a worker that ends by itself to hand over its last result


class _Tied:
    """Calls `target` in the new process once that is tied to the one that made it."""

    def __init__(self, target: Callable[..., Any]) -> None:
        self.target = target
        self.parent_pid = os.getpid()

    def __call__(self, *arguments: Any) -> Any:
        die_with_parent(self.parent_pid)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return self.target(*arguments)


class HardenedSentinel(cluster.Sentinel):  # type: ignore[misc]
    """Guards the workers, the pusher (queue to workers) and the monitor (results to database)."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        parent = multiprocessing.parent_process()
        if parent is not None and parent.pid is not None:
            die_with_parent(parent.pid)
        super().__init__(*arguments, **keywords)

    def spawn_process(self, target: Callable[..., Any], *arguments: Any) -> Any:
        process = cluster.get_mp_context().Process(target=_Tied(target), args=arguments)
        process.daemon = True
        if target is cluster.worker:
            process.daemon = Conf.DAEMONIZE_WORKERS
            process.timer = arguments[2]
            self.pool.append(process)
        process.start()
        return process

    def guard(self) -> None:
        """Look after everything, every `guard_cycle` seconds, until asked to stop."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        cycle: float = Conf.GUARD_CYCLE
        until_schedule = float(_FIRST_SCHEDULE_SECONDS)
        self.start_event.set()
        log.info("The background worker runs with %s processes.", len(self.pool))
        while True:
            self._look_after_pool(cycle)
            self._look_after_others()
            until_schedule -= cycle
            if until_schedule <= 0 and Conf.SCHEDULER:
                until_schedule = float(_SCHEDULE_SECONDS)
                schedules.switch_off_unreadable()
                scheduler(broker=self.broker)
            self._sign_of_life()
            if self.stop_event.wait(cycle):
                break
        self.stop()

    def _sign_of_life(self) -> None:
        stat = Stat(self)
        try:
            self.broker.set_stat(stat.key, SignedPackage.dumps(stat), HEARTBEAT_SECONDS)
        except Exception as error:  # noqa: BLE001 - the cache is away; the work goes on
            log.error("The worker's sign of life could not be written: %s", error)

    def _look_after_others(self) -> None:
        for process in (self.monitor, self.pusher):
            if process.is_alive():
                continue
            if process.exitcode == 0:  # the pusher ends itself after a database error
                self.reincarnate(process)
            else:
                self._start_over(process)
                return

    def _look_after_pool(self, cycle: float) -> None:
        for process in list(self.pool):
            lock = process.timer.get_lock()
            if not lock.acquire(timeout=_LOCK_SECONDS):
                self._start_over(process)
                return
            try:
                seconds_left = process.timer.value  # below 0: it waits for work
                if process.is_alive() and seconds_left > 0:
                    process.timer.value = max(0.0, seconds_left - cycle)
            finally:
                lock.release()
            if process.is_alive() and seconds_left != 0:
                continue
            process.join(_EXIT_SECONDS)
            if process.is_alive():  # the task swallowed its time-out, or sits in C code
                process.kill()
                process.join()
            # Dead in the middle of a task it held nothing, unless it was handing over a result.
            # Then the others need not suffer: their tasks, and their attempts, go on.
            if process.exitcode == 0 or (seconds_left >= 0 and self._results_can_be_written()):
                self.reincarnate(process)
            else:
                self._start_over(process)
                return

    def _results_can_be_written(self) -> bool:
        locks = (self.result_queue._wlock, self.result_queue.size.count.get_lock())
        for lock in locks:
            if lock is None:  # Windows
                continue
            if not lock.acquire(timeout=_LOCK_SECONDS):
                return False
            lock.release()
        return True

    def _start_over(self, dead: Any) -> None:
        """Replace all processes and queues: `dead` may have taken a lock with it."""
        log.critical(
            "Process %s of the background worker ended with %s: all are started anew.",
            dead.pid,
            dead.exitcode,
        )
        db.connections.close_all()
        processes = [*self.pool, self.monitor, self.pusher]
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        self.task_queue = cluster.Queue(maxsize=Conf.QUEUE_LIMIT)
        self.result_queue = cluster.Queue()
        self.event_out = cluster.Event()
        self.spawn_cluster()
        self.reincarnations += 1
