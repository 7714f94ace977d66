"""Who read what: readings of threads that are not public, and searches of people with accounts.

What is public is read by everybody, and nothing is written then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from projects.models import Project
from threadhub.lib import audit, telemetry
from threads.models import Thread
from threads.search.results import SearchPage

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

_LONGEST_QUERY = 500


def note_read(thread: Thread, *, by: User | AnonymousUser, via: str = "page") -> None:
    """Put the reading of a thread that is not public on the audit log.

    :param thread: with its project loaded.
    :param via: page, api or admin.
    """
    if thread.project.visibility != Project.Visibility.PUBLIC:
        audit.record_read(thread, actor=by, project_id=thread.project_id, via=via)


def note_search(
    page: SearchPage,
    text: str,
    *,
    by: User | AnonymousUser | None,
    projects: list[str] | None = None,
    via: str = "page",
) -> None:
    """Put a search on the audit log, and how long it took among the figures.

    Visitors' searches find public threads only, and are not on the log.

    :param by: None for the operator at the shell, who searches everything.
    :param projects: the short names that the search was limited to, besides its own words.
    :param via: page, api or command.
    """
    telemetry.observe("search", page.took_ms)
    if by is None or by.is_authenticated:
        audit.record(
            action="search",
            actor=by,
            query=text[:_LONGEST_QUERY],
            projects=projects or [],
            threads=page.total_threads,
            via=via,
        )
