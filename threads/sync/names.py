"""Names of assistants, where a store keeps them apart from its threads."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from projects.models import Connection
from threads.models import Assistant, Thread
from threads.sources import Gone, Source, SourceError, TellsRuns

_ASKED_EVERY = timedelta(days=7)  # names change now and then
_MOST = 5  # of one batch, a call each


def learn_names(connection: Connection, source: Source, *, now: datetime) -> int:
    """Ask for the names of assistants that have none yet, or an old one; return how many changed.

    One query when there is nothing to ask. A new name is searched for at once: the index follows
    the row. What cannot be asked now is asked with a later batch.
    """
    if not isinstance(source, TellsRuns):
        return 0
    led = Thread.objects.filter(connection=connection, assistant=OuterRef("pk"))
    due = Assistant.objects.filter(
        Q(fetched_at__isnull=True) | Q(fetched_at__lt=now - _ASKED_EVERY),
        Exists(led),
        project=connection.project_id,
    )
    changed = 0
    for assistant in due.order_by("pk")[:_MOST]:
        try:
            name = source.assistant_name(assistant.external_id)
        except Gone:  # deleted: it keeps the name that it had
            name = ""
        except SourceError:
            return changed
        assistant.fetched_at = now
        if name and name != assistant.name:
            assistant.name, changed = name, changed + 1
        assistant.save(update_fields=["name", "fetched_at"])
    return changed
