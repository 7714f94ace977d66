"""A day at ThreadHub: who works, on what, and a browser that keeps all that it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from monitoring.tests.world import keep_sources
from projects.models import Connection, Project
from threads import tasks
from threads.models import Job, Thread
from threads.tests.factories import make_connection, make_conversation, make_project
from threads.tests.openai_server import OpenAIServer, text_item

CANARY = "cAnArY7k3yNobodyMaySee"
PASSWORD = "cAnArY correct horse battery"
NO_CONNECTIONS = {"connections-TOTAL_FORMS": 0, "connections-INITIAL_FORMS": 0}
KEY = f"sk-proj-{CANARY}-1a2b"  # the store's, which the connection is given in the day


class Browser(Client):
    """Keeps all that it was sent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen: list[str] = []

    def request(self, **request: Any) -> Any:
        answer: Any = super().request(**request)
        content = b"".join(answer) if answer.streaming else answer.content
        self.seen.append(f"{answer.headers} {content.decode(errors='replace')}")
        return answer


@dataclass
class Day:
    """Root's browser, a private project with threads, and a store that answers."""

    client: Browser
    root: User
    project: Project
    connection: Connection
    threads: Iterator[Thread]
    folder: Path
    server: OpenAIServer
    settings: Settings

    def post(self, address: str, /, *parts: object, **posted: Any) -> Any:
        """Send a form to an address of the console ("projects_project_add") or of the site."""
        path = address if "/" in address else reverse(f"admin:{address}", args=parts)
        answer = self.client.post(path, posted)
        assert answer.status_code in {200, 302}, (path, answer.status_code)
        return answer

    def act(self, name: str, *threads: Thread, **posted: Any) -> Any:
        chosen = {"action": name, "_selected_action": [thread.pk for thread in threads]}
        state = "?state=trash" if name == "restore" else ""
        address = reverse("admin:threads_thread_changelist") + state
        return self.client.post(address, chosen | posted, follow=True)

    def work(self) -> None:
        """Do what a worker would."""
        for job in Job.objects.live():
            task = {"sync_thread": "fetch_thread", "export": "run_export", "import": "run_import"}
            name = f"{task.get(job.kind, job.kind)}_task"
            also = {"thread_id": job.parameters["thread_id"]} if job.kind == "sync_thread" else {}
            getattr(tasks, name)(job_id=str(job.pk), **also)


@contextmanager
def begin(folder: Path, settings: Settings) -> Iterator[Day]:
    """Open ThreadHub for a day: one administrator, one private project, one store."""
    settings.THREADHUB_DATA_DIR = folder
    settings.THREADHUB_RATES = dict.fromkeys(settings.THREADHUB_RATES, "100000/m")
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    project = make_project("Support", slug="support", visibility="private")
    with OpenAIServer(key=KEY) as server:
        server.add_conversation("conv_1", [text_item("msg_1", "user", "Hello")])
        connection = make_connection(project, base_url=server.url)
        threads = [make_conversation("a refund", project=project) for _number in range(9)]
        for thread in threads:
            keep_sources(thread)
        yield Day(Browser(), root, project, connection, iter(threads), folder, server, settings)
