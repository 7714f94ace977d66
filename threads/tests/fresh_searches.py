"""What tests of fresh searches do: make projects that nobody has read, ask, and work."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from projects.models import Project
from threads import actions, tasks
from threads.models import FreshSearch, Job
from threads.tests.factories import make_connection, make_project, make_thread
from threads.tests.openai_server import OpenAIServer, text_item


def make_archive(server: OpenAIServer, *, threads: int = 3, **fields: Any) -> Project:
    """Make a project with that many threads of `server`, which nobody has read yet."""
    project = make_project(**fields)
    # As if its list had been read just now: what that finds has tests of its own.
    connection = make_connection(project, base_url=server.url, listed_at=timezone.now())
    for number in range(threads):
        item = text_item(f"msg_{number}", "user", f"A refund for lamp {number}")
        server.add_conversation(f"conv_{number}", [item])
        make_thread(
            project,
            connection=connection,
            store="conversations",
            external_id=f"conv_{number}",
            created_at=None,
            next_refresh_at=timezone.now(),
        )
    return project


def ask(*projects: Project, query: str = "refund", by: User | None = None) -> FreshSearch:
    return actions.request_fresh_search(query, projects, by=by)


def work(search: FreshSearch) -> Job:
    tasks.perform_search_task(job_id=str(search.job_id))
    return Job.objects.get(pk=search.job_id)
