"""The beat of a job: when it writes progress, when its slice ends, and what comes after."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from threads.models import Job

# A task is killed after 300 s; a job that needs longer goes on in a new one.
SLICE_SECONDS = 200.0
ADVANCE_SECONDS = 1.0  # between two writes of progress


class Then(enum.Enum):
    """What comes after a slice."""

    END = enum.auto()  # the job has ended, or is no longer ours
    NOW = enum.auto()  # the next slice, in whichever worker is free
    LATER = enum.auto()  # the next slice, with the sweeper's next round


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a slice ended, in a sentence for the queue's list."""

    sentence: str
    then: Then = Then.END


class Pace:
    """Counts a slice's seconds."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last = 0.0

    def is_due(self) -> bool:
        """Tell whether to write progress now: at the first call, and a second after the last."""
        moment = time.monotonic()
        if moment - self._last < ADVANCE_SECONDS:
            return False
        self._last = moment
        return True

    def is_over(self, seconds: float | None = None) -> bool:
        """Tell whether `seconds` have passed; None asks for a slice's."""
        return time.monotonic() - self._began >= (SLICE_SECONDS if seconds is None else seconds)


def go_on(job: Job) -> Outcome:
    """Say how far the job is; its next slice may run in another worker."""
    sentence = _("%(done)d of %(total)d done; it goes on.") % {
        "done": job.done_count,
        "total": job.total_count or job.done_count,
    }
    return Outcome(sentence, Then.NOW)


def wait() -> Outcome:
    """Say that the job goes on when there may be calls again."""
    sentence = _("The calls per minute are used up, or the server asked for a pause; it goes on.")
    return Outcome(sentence, Then.LATER)


def cancelled(job: Job) -> Outcome | None:
    """End the job when somebody asked for it. None when nobody did."""
    job.refresh_from_db(fields=["cancel_requested_at"])
    if job.cancel_requested_at is None:
        return None
    job.finish(now=timezone.now(), result=dict(job.result))
    return Outcome(_("Cancelled."))


def taken_over(job: Job) -> Outcome:
    """Say why this worker stops: the job was cancelled, or its lease ran out."""
    return cancelled(job) or Outcome(_("Another worker has taken it over."))
