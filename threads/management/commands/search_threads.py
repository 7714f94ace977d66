"""The ordinary search, from the shell."""

from __future__ import annotations

import json
import sys
from html import unescape
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from projects.models import Project
from threads.actions import note_search
from threads.search import HITS_SHOWN, find
from threads.search.published import published
from threads.search.query import GROUPS, SORTS, parse
from threads.search.results import SearchPage


class Command(BaseCommand):
    help = "Searches the archive. QUERY - reads one query a line from standard input."

    requires_system_checks = []  # they load every page, and take as long as many searches

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("query", metavar="QUERY")
        parser.add_argument("--project", action="append", default=[], metavar="SLUG")
        parser.add_argument(
            "--as", dest="user", metavar="USER", help="search as this user (default: everything)"
        )
        parser.add_argument("--group", choices=GROUPS, default="thread")
        parser.add_argument("--match", choices=["all", "any"], default="all")
        parser.add_argument("--sort", choices=SORTS, default="")
        parser.add_argument("--limit", type=int, default=20, help="results, 200 at most")
        parser.add_argument("--cursor", default="", help="next_cursor of the page before")
        parser.add_argument("--format", choices=["table", "json"], default="table")

    def handle(self, *args: Any, query: str, **options: Any) -> None:
        within, user = Project.objects.all(), None
        if options["user"]:
            name = options["user"]
            user = User.objects.filter(username=name).first()
            if user is None:
                raise CommandError(f"There is no user “{name}”.")
            within = Project.objects.visible_to(user)
        if options["project"]:
            within = within.filter(slug__in=options["project"])
            missing = set(options["project"]) - set(within.values_list("slug", flat=True))
            if missing:
                raise CommandError(f"There is no project “{', '.join(sorted(missing))}”.")
        queries = (line.rstrip("\r\n") for line in sys.stdin) if query == "-" else [query]
        for text in queries:
            self._answer(text, within=within, by=user, **options)

    def _answer(self, text: str, *, within: Any, by: User | None, **options: Any) -> None:
        now = timezone.now()
        try:
            page = find(
                parse(text, now=now, zone=timezone.get_current_timezone()),
                within=within,
                sort=options["sort"],
                group=options["group"],
                match=options["match"],
                limit=options["limit"],
                hits_shown=HITS_SHOWN,
                cursor=options["cursor"] or None,
                now=now,
            )
        except ValueError as problem:
            raise CommandError(str(problem)) from problem
        note_search(page, text, by=by, projects=options["project"], via="command")
        if options["format"] == "json":
            self.stdout.write(json.dumps(published(page, query=text), ensure_ascii=False))
            self.stdout.flush()
        else:
            self._table(page)

    def _table(self, page: SearchPage) -> None:
        more = "" if page.total_is_exact else "+"
        self.stdout.write(
            f"{page.total_threads:,}{more} threads, {page.total_messages:,}{more} messages"
            f" ({page.took_ms:.1f} ms). {page.explanation}"
        )
        if page.ranking == "any_word":
            self.stdout.write("No message has all the words; these have some of them.")
        elif page.ranking == "question":
            self.stdout.write(
                "Read as a question: these messages have some of its words, or stand beside such."
            )
        for notice in page.notices:
            self.stdout.write(f"Note: {notice.message}")
        for result in page.results:
            thread = result.thread
            day = f"{thread.created_at:%Y-%m-%d}" if thread.created_at else "–"
            further = result.hit_count - len(result.hits)
            self.stdout.write(
                f"\n{thread.short_id}  {day}  {thread.project.slug}  {thread}"
                + (f"  (+{further} more)" if further > 0 else "")
            )
            for hit in result.hits:
                plain = unescape(hit.snippet.replace("<mark>", "[").replace("</mark>", "]"))
                self.stdout.write(f"  {hit.position:>4} {hit.role:<9} {plain}")
        if page.next_cursor:
            self.stdout.write(f"\nNext page: --cursor {page.next_cursor}")
