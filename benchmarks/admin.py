"""How long the console's lists take on a large archive, and how many queries they ask.

    python benchmarks/admin.py [--small]

Makes an archive of its own in a temporary folder: 100,000 threads with 1,000,000 messages in 20
projects (--small: a hundredth), and keeps it with --keep. Prints the server's time for every
changelist (CPU milliseconds, the median of five requests, without the browser: other programs on
the machine do not count) and how many queries it asks, with filters, searches, the second page
and the last, for an administrator and for an owner.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = 20
MESSAGES_EACH = 10
RUNS = 5
LIMIT_MS = 150.0
WORDS = [
    "refund",
    "order",
    "parcel",
    "invoice",
    "late",
    "delivery",
    "address",
    "password",
    "thanks",
    "please",
    "today",
    "error",
]


def fill(thread_count: int) -> None:
    """Write the archive in bulk, search index included, with an owner of three projects."""
    from django.contrib.auth.models import User
    from django.db import transaction

    from monitoring import chain
    from monitoring.models import AuditEvent, SystemMetric
    from projects.models import Connection, Project
    from threads.models import Job, Message, SyncRun, Thread
    from threads.search import keys

    now = datetime.now(tz=UTC)
    User.objects.create_superuser("root")
    owner = User.objects.create_user("owner", is_staff=True)
    User.objects.bulk_create([User(username=f"user{number}") for number in range(500)])
    projects = Project.objects.bulk_create(
        [Project(name=f"Project {number}", slug=f"project-{number}") for number in range(PROJECTS)]
    )
    for project in projects[:3]:
        project.owners.add(owner)
    Connection.objects.bulk_create([Connection(project=project) for project in projects])
    batch = 1_000
    for start in range(0, thread_count, batch):
        with transaction.atomic():
            threads = Thread.objects.bulk_create(
                [
                    Thread(
                        project=projects[number % PROJECTS],
                        external_id=f"thread_{number:08d}",
                        store="assistants",
                        title=f"{WORDS[number % 12]} {WORDS[number // 12 % 12]} {number}",
                        created_at=now - timedelta(minutes=number),
                        last_message_timestamp=now - timedelta(minutes=number),
                        message_count=MESSAGES_EACH,
                        item_count=MESSAGES_EACH,
                        total_tokens=number % 5_000,
                        next_refresh_at=now + timedelta(minutes=number % 3_000 - 100),
                        refresh_failures=int(number % 200 == 0),
                    )
                    for number in range(start, min(start + batch, thread_count))
                ]
            )
            times = [
                now - timedelta(minutes=start + place)
                for place in range(len(threads))
                for _ in range(MESSAGES_EACH)
            ]
            allocated = iter(keys.allocate(times))
            Message.objects.bulk_create(
                [
                    Message(
                        thread=thread,
                        project_id=thread.project_id,
                        position=position,
                        remote_id=f"msg_{position}",
                        role="assistant" if position % 2 == 0 else "user",
                        text=" ".join(
                            WORDS[(thread.pk + position + n * 5) % 12] for n in range(20)
                        ),
                        created_at=thread.created_at,
                        search_key=next(allocated),
                    )
                    for thread in threads
                    for position in range(1, MESSAGES_EACH + 1)
                ]
            )
        print(f"\r{start + len(threads):,} threads", end="", file=sys.stderr)
    print(file=sys.stderr)
    count = max(100, thread_count // 10)
    SyncRun.objects.bulk_create(
        [
            SyncRun(
                project=projects[n % PROJECTS],
                trigger="schedule",
                state="done",
                started_at=now - timedelta(minutes=n),
                finished_at=now,
            )
            for n in range(count)
        ],
        batch_size=1_000,
    )
    Job.objects.bulk_create(
        [
            Job(kind="sync_thread", key=f"t{n}", state="done", project=projects[n % PROJECTS])
            for n in range(count)
        ],
        batch_size=1_000,
    )
    SystemMetric.objects.bulk_create(
        [SystemMetric(measured_at=now - timedelta(minutes=n), cpu_percent=5) for n in range(2_880)],
        batch_size=1_000,
    )
    with transaction.atomic():
        for number in range(count):
            action = "login" if number % 3 == 0 else "search"
            chain.append(AuditEvent(actor_name="root", action=action, details={"n": number}))
    decorate(count)


def decorate(count: int) -> None:
    """Give threads what people and syncs leave on them, and the queue `count` ended tasks."""
    from django.contrib.auth.models import User
    from django.db.models import F
    from django.utils import timezone

    from projects.models import Tag
    from threadhub.lib.queue import Failure
    from threads.models import Bookmark, SavedSearch, Thread

    now = timezone.now()
    ids = F("pk")
    Thread.objects.annotate(n=ids % 500).filter(n=1).update(is_held=True)
    Thread.objects.annotate(n=ids % 300).filter(n=2).update(trashed_at=now)
    Thread.objects.annotate(n=ids % 40).filter(n=3).update(upstream_state="gone", gone_at=now)
    Thread.objects.update(refresh_priority=(ids * 7919) % 9_000)
    names = ["gold", *(f"tag{number}" for number in range(59))]
    tags = Tag.objects.bulk_create([Tag(name=name) for name in names])
    tagged = Thread.objects.annotate(n=ids % 10).filter(n=0).values_list("pk", flat=True)
    through = Thread.tags.through
    through.objects.bulk_create(
        # Half of the tagged threads are gold, and each has another tag.
        [through(thread_id=pk, tag=tags[0]) for pk in tagged if pk % 20 == 0]
        + [through(thread_id=pk, tag=tags[1 + pk // 10 % 59]) for pk in tagged],
        batch_size=5_000,
    )
    for name in ("root", "owner"):
        user = User.objects.get(username=name)
        kept = Thread.objects.order_by("-pk").values_list("pk", flat=True)[:300]
        Bookmark.objects.bulk_create([Bookmark(user=user, thread_id=pk) for pk in kept])
        SavedSearch.objects.bulk_create(
            [SavedSearch(owner=user, name=f"Search {n}", query="refund") for n in range(200)]
        )
    for success in (True, False):
        Failure.objects.bulk_create(
            [
                Failure(
                    id=f"{int(success)}{number:031d}",
                    name=f"task {number}",
                    func="threads.tasks.fetch_thread_task",
                    result="done" if success else "no answer : Traceback (most recent call last):",
                    started=now - timedelta(minutes=number),
                    stopped=now - timedelta(minutes=number),
                    success=success,
                )
                for number in range(count)
            ],
            batch_size=1_000,
        )


def yardstick() -> float:
    """Return the CPU seconds of some plain work: how busy the machine is."""
    began, total = time.process_time(), 0
    for number in range(5_000_000):
        total += number
    return time.process_time() - began


def measure(client: Any, address: str) -> tuple[float, int, int]:
    """Return milliseconds (median), queries, and the answer's status."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    answer = client.get(address)  # templates are compiled, statements cached
    took = []
    for _run in range(RUNS):
        began = time.process_time()
        answer = client.get(address)
        took.append((time.process_time() - began) * 1_000)
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return statistics.median(took), len(queries), answer.status_code


def addresses(project_id: int, thread_id: int, *, pages: int) -> dict[str, str]:
    """Return what is measured. `pages`: of the list of all threads."""
    from django.contrib import admin
    from django.urls import reverse

    found = {"dashboard": reverse("admin:index")}
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        found[model._meta.label] = reverse(f"admin:{name}_changelist")
    for chosen in ("hour", "year"):
        found[f"dashboard, {chosen}"] = f"{found['dashboard']}?range={chosen}"
    threads = found["threads.Thread"]
    week_ago = f"{datetime.now(tz=UTC) - timedelta(days=7):%Y-%m-%d}%2000:00:00%2B00:00"
    found["threads.Message"] += f"?thread__id__exact={thread_id}"
    found["threads.Thread, its page"] = reverse("admin:threads_thread_change", args=[thread_id])
    of_threads = {
        "one project": f"project__id__exact={project_id}",
        "source": "store__exact=assistants",
        "failing": "state=failing",
        "held": "state=held",
        "in the trash": "state=trash",
        "due": "refresh=due",
        "never synced": "refresh=never",
        "priority high": "priority=high",
        "tokens 1,000 to 10,000": "tokens=10k",
        "tokens unknown": "tokens=unknown",
        "closed by its store": "state=gone",
        "priority low": "priority=low",
        "a frequent tag": "tag=gold",
        "a rare tag": "tag=tag7",
        "no such tag": "tag=silver",
        "tag and search": "tag=gold&q=invoice",
        "bookmarks": "bookmark=mine",
        "project and failing": f"project__id__exact={project_id}&state=failing",
        "last 7 days": "last_message_timestamp__gte=" + week_ago,
        "since 2020": "last_message_timestamp__gte=2020-01-01%2000:00:00%2B00:00",
        "search, a frequent word": "q=refund",
        "search, an id": "q=thread_00000042",
        "search, nothing found": "q=xylophone",
        "by tokens": "o=-6",
        "by project": "o=2",
        "page 2": "p=2",
        "page 100": "p=100",
        "last page": f"p={max(1, pages)}",
        "last page of a project": f"project__id__exact={project_id}&p={max(1, pages // PROJECTS)}",
    }
    found |= {f"threads.Thread, {name}": f"{threads}?{query}" for name, query in of_threads.items()}
    audit = found["monitoring.AuditEvent"]
    found["monitoring.AuditEvent, refused"] = f"{audit}?outcome__exact=refused"
    found["monitoring.AuditEvent, search"] = f"{audit}?q=root"
    found["monitoring.AuditEvent, last page"] = f"{audit}?p={max(1, pages // 20)}"
    logins = found["monitoring.LoginAttempt"]
    found["monitoring.LoginAttempt, search"] = f"{logins}?q=root"
    found["monitoring.LoginAttempt, a day"] = f"{logins}?at__gte={week_ago}"
    found["django_q.Failure, search"] = f"{found['django_q.Failure']}?q=fetch"
    found["auth.User, search"] = f"{found['auth.User']}?q=user4"
    found["threads.SavedSearch, search"] = f"{found['threads.SavedSearch']}?q=refund"
    jobs = found["threads.Job"]
    found["threads.Job, failed"] = f"{jobs}?state__exact=failed"
    found["threads.Job, one project"] = f"{jobs}?project__id__exact={project_id}"
    runs = found["threads.SyncRun"]
    found["threads.SyncRun, one project"] = f"{runs}?project__id__exact={project_id}"
    found["threads.SyncRun, failed"] = f"{runs}?state__exact=failed"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a hundredth of it")
    parser.add_argument("--keep", metavar="FOLDER", help="make the archive there, or use it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["THREADHUB_DATA_DIR"] = str(folder)
        os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'threadhub.sqlite3'}"
        os.environ["DJANGO_SETTINGS_MODULE"] = "threadhub.settings"
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        from django.conf import settings
        from django.contrib.auth.models import User
        from django.core.management import call_command
        from django.test import Client

        from projects.admin.paging import MOST_COUNTED
        from projects.models import Project
        from threads.models import Thread

        logging.disable(logging.WARNING)  # pages that an owner may not open
        settings.ALLOWED_HOSTS = ["testserver"]
        settings.STORAGES["staticfiles"]["BACKEND"] = (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
        call_command("migrate", verbosity=0)
        if not Thread.objects.exists():
            fill(1_000 if options.small else 100_000)
            with django.db.connection.cursor() as cursor:
                cursor.execute("PRAGMA optimize")
        project = Project.objects.order_by("pk").first()
        thread = Thread.objects.order_by("pk").first()
        assert project is not None and thread is not None  # noqa: PT018
        print(f"yardstick: {yardstick():.2f} s for five million additions (0.2 to 0.3 when calm)")
        slow = 0
        for name in ("root", "owner"):
            client = Client()
            client.force_login(User.objects.get(username=name))
            print(f"\n{name}: {Thread.objects.count():,} threads")
            pages = min(Thread.objects.count(), MOST_COUNTED) // 25
            for label, address in addresses(project.pk, thread.pk, pages=pages).items():
                milliseconds, queries, status = measure(client, address)
                if status in {302, 403}:  # not theirs; the page of an owner's project is
                    continue
                is_slow = milliseconds > LIMIT_MS
                slow += is_slow
                mark = "  SLOW" if is_slow else ""
                print(f"{milliseconds:8.1f} ms {queries:3d} queries  {label}{mark}", flush=True)
        print(f"\n{slow} above {LIMIT_MS:.0f} ms")


if __name__ == "__main__":
    main()
