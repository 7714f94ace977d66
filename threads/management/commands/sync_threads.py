"""`manage.py sync_threads`: read threads now, in the foreground."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone

from projects.models import Connection, Project
from threads import actions, sync
from threads.models import SyncRun, Thread

_BAR = 30  # characters
# How the stores' ids begin; compatible servers may use others.
_PREFIXES = {
    "conv_": Connection.Store.CONVERSATIONS,
    "thread_": Connection.Store.ASSISTANTS,
    "cthr_": Connection.Store.CHATKIT,
    "chatcmpl-": Connection.Store.COMPLETIONS,
    "resp_": Connection.Store.RESPONSES,
    "sess_": Connection.Store.AGENTS,
}


class Command(BaseCommand):
    help = (
        "Sync threads now. Without --thread: all threads of the project, or of all projects, that"
        " a connection can be asked about. With --project, --thread also takes the store's ids of"
        " threads that are new here. Waits where a connection's calls per minute are used up."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", metavar="SLUG")
        parser.add_argument(
            "--thread", action="append", default=[], metavar="ID", help="may be repeated"
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="read everything again and compare it, also what was put off after a failure",
        )
        parser.add_argument("--budget", type=int, metavar="CALLS", help="stop after so many calls")

    def handle(self, *_: Any, **options: Any) -> None:
        began = time.monotonic()
        connections = Connection.objects.filter(is_enabled=True).select_related("project")
        if options["project"]:
            project = Project.objects.filter(slug=options["project"]).first()
            if project is None:
                raise CommandError(f"There is no project {options['project']!r}.")
            connections = connections.filter(project=project)
        if options["budget"] is not None and options["budget"] < 1:
            raise CommandError("--budget must be at least 1.", returncode=2)
        chosen = self._chosen(options["thread"], options["project"])
        sums, problems = sync.Tally(), []
        for connection in connections.order_by("pk"):
            reason = self._why_not(connection)
            if reason:
                wanted = Thread.objects.filter(connection=connection)
                if (wanted if chosen is None else wanted.filter(pk__in=chosen)).exists():
                    problems.append(f"{connection}: {reason}")
                continue
            left = None if options["budget"] is None else options["budget"] - sums.calls
            if left is not None and left < 1:
                break
            problems += self._sync(
                connection, chosen, sums, is_full=options["force"], most_calls=left
            )
        self.stdout.write(
            f"{sums.threads_read} threads read, {sums.messages_new} new messages,"
            f" {sums.messages_changed} changed; {sums.calls} calls made,"
            f" {sums.calls_avoided} avoided; {time.monotonic() - began:.1f} s."
        )
        if problems:
            raise CommandError("\n".join(problems))

    @staticmethod
    def _why_not(connection: Connection) -> str:
        """Return why a connection cannot be asked now; "" when it can."""
        if connection.state not in Connection.CALLABLE_STATES:
            return connection.state_reason or connection.get_state_display()
        if connection.paused_until is not None and connection.paused_until > timezone.now():
            return (
                f"The server asked for a pause until {connection.paused_until:%Y-%m-%d %H:%M} UTC."
            )
        return ""

    def _chosen(self, ids: list[str], slug: str | None) -> list[int] | None:
        """Return the primary keys of the threads that were named; None when none was."""
        if not ids:
            return None
        found: list[int] = []
        for identity in dict.fromkeys(ids):
            threads = Thread.objects.filter(Q(short_id=identity) | Q(external_id=identity))
            if slug:
                threads = threads.filter(project__slug=slug)
            keys = list(threads.values_list("pk", flat=True))
            if not keys and slug:
                keys = self._registered(identity, slug)
            if not keys:
                raise CommandError(
                    f"There is no thread {identity!r}. With --project a new one can be read."
                )
            found += keys
        return found

    @staticmethod
    def _registered(identity: str, slug: str) -> list[int]:
        """Register a thread by the store's id with the connection that such an id is from."""
        usable = Connection.objects.usable(timezone.now()).filter(project__slug=slug)
        found = list(usable.select_related("project").order_by("pk"))
        store = next((s for prefix, s in _PREFIXES.items() if identity.startswith(prefix)), "")
        fitting = [each for each in found if each.store == store] or found
        if len(fitting) != 1:
            raise CommandError(
                f"There is no thread {identity!r}, and the project has {len(fitting)} connections"
                " that it might come from. Add it in the admin, where you can choose."
            )
        (connection,) = fitting
        added = actions.add_thread_ids(connection.project, connection, [identity], by=None)
        if added.refused:
            raise CommandError(" ".join(f"{name}: {why}" for name, why in added.refused.items()))
        threads = Thread.objects.filter(project=connection.project, external_id=identity)
        return list(threads.values_list("pk", flat=True))

    def _sync(
        self,
        connection: Connection,
        chosen: list[int] | None,
        sums: sync.Tally,
        *,
        is_full: bool,
        most_calls: int | None,
    ) -> list[str]:
        threads = Thread.objects.filter(connection=connection, trashed_at__isnull=True)
        if chosen is not None:
            threads = threads.filter(pk__in=chosen)
        elif not is_full:
            threads = sync.candidates(connection, timezone.now())
        pks = list(threads.order_by("last_synced_at", "pk").values_list("pk", flat=True))
        if not pks:
            return []
        shows = sys.stderr.isatty()

        def keep_going(tally: sync.Tally) -> bool:
            if shows:
                self._show(tally.threads_read, len(pks), connection)
            return True

        tally = sync.sync_batch(
            connection,
            pks,
            trigger=SyncRun.Trigger.COMMAND,
            is_full=is_full,
            waits=True,
            most_calls=most_calls,
            keep_going=keep_going,
        )
        if shows:
            self.stderr.write("\r" + " " * (_BAR + 60) + "\r", ending="")
        sums.threads_read += tally.threads_read
        sums.messages_new += tally.messages_new
        sums.messages_changed += tally.messages_changed
        sums.calls += tally.calls
        sums.calls_avoided += tally.calls_avoided
        problems = [f"{error['thread']}: {error['message']}" for error in tally.errors]
        if tally.stopped_by is not None and not sync.is_own_limit(tally.stopped_by):
            problems.append(f"{connection}: {tally.stopped_by.message}")
        return problems

    def _show(self, done: int, total: int, connection: Connection) -> None:
        filled = _BAR * done // max(1, total)
        bar = "#" * filled + "." * (_BAR - filled)
        self.stderr.write(f"\r{bar} {done}/{total} {str(connection)[:40]}", ending="")
        self.stderr.flush()
