"""Changing many threads at once: trash, hold, tags."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from threads.archive.keeping import Change, Changed, change_threads
from threads.models import Job
from threads.work.slices import Outcome, Pace, go_on, taken_over


def change_chosen(job: Job) -> Outcome:
    """Change the threads that were chosen, from where the last slice came to."""
    ids = [int(pk) for pk in job.parameters["thread_ids"]]
    begin, before = job.done_count, int(job.result.get("changed", 0))
    pace, is_mine = Pace(), True

    def keep_going(changed: Changed) -> bool:
        nonlocal is_mine
        if pace.is_due() or changed.seen + begin == len(ids):
            is_mine = job.advance(
                now=timezone.now(),
                done=begin + changed.seen,
                total=len(ids),
                result={"changed": before + changed.changed},
            )
        return is_mine and not pace.is_over()

    done = change_threads(
        ids[begin:],
        Change(job.parameters["change"]),
        now=timezone.now(),
        by=job.requested_by,
        tags=[str(word) for word in job.parameters.get("tags", [])],
        keep_going=keep_going,
    )
    if not is_mine:
        return taken_over(job)
    if begin + done.seen < len(ids):
        job.advance(now=timezone.now(), done=begin + done.seen, total=len(ids))
        return go_on(job)
    changed = before + done.changed
    sentence = _("%(changed)d of %(total)d threads changed.") % {
        "changed": changed,
        "total": len(ids),
    }
    job.finish(now=timezone.now(), result={"message": sentence, "changed": changed})
    return Outcome(sentence)
