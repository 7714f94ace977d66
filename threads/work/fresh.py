"""Asking the sources what is new before a search."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from projects.models import Connection
from threads import sync
from threads.models import Job
from threads.work.reading import brought
from threads.work.slices import Outcome, go_on, taken_over


def read_for_search(job: Job) -> Outcome:
    """Read what may have changed, in slices, within the calls allowed."""
    project_ids = [int(pk) for pk in job.parameters.get("project_ids", [])]
    connections = list(Connection.objects.callable_of(project_ids))
    end = sync.read_for(job, connections)
    if end is sync.End.LATER:
        return go_on(job)
    if end is sync.End.TAKEN:
        return taken_over(job)
    result = dict(job.result)
    sentence = brought(result["threads_read"], result["messages_new"], result["messages_changed"])
    notes = [str(note) for note in result.get("notes", [])]
    if not connections:
        notes = [_("None of these projects has a connection that can be asked at present.")]
    is_failure = bool(notes) and not result["threads_read"]
    job.finish(
        now=timezone.now(),
        result={"message": sentence, **result},
        error=" ".join(notes) if is_failure else "",
    )
    return Outcome(sentence)
