"""By what the console's list of threads can be narrowed down, beside its search."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.cache import cache
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from projects.admin.access import account_of, managed_ids
from projects.models import Project, Tag
from threads.models import Bookmark, Thread

# Message-seconds of waiting that one call would end: what Smart Refresh calls a thread's score.
# A thread whose next message is worth an hour's wait stands at some thousands.
HIGH_PRIORITY = 3_600.0
LOW_PRIORITY = 60.0

_TOKENS = {  # from, below
    "none": (0, 1),
    "1k": (1, 1_000),
    "10k": (1_000, 10_000),
    "100k": (10_000, 100_000),
    "more": (100_000, None),
}


class StateFilter(admin.SimpleListFilter):
    """How a thread stands here and at its source. The trash is seen only when asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            *Thread.UpstreamState.choices,
            ("failing", _("Last sync failed")),
            ("missed", _("Not found at its source")),
            ("held", _("Legal hold")),
            ("trash", _("In the trash")),
        ]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        value = self.value()
        if value == "trash":
            return queryset.filter(trashed_at__isnull=False)
        queryset = queryset.filter(trashed_at__isnull=True)
        if value == "failing":
            return queryset.filter(refresh_failures__gt=0)
        if value == "missed":
            still_there = Thread.UpstreamState.still_there()
            return queryset.filter(gone_at__isnull=False, upstream_state__in=still_there)
        if value == "held":
            # By the projects' ids: a join would keep the list's index from answering.
            held = Project.objects.filter(is_held=True).values("pk")
            return queryset.filter(Q(is_held=True) | Q(project__in=held))
        return queryset.filter(upstream_state=value) if value else queryset


class RefreshFilter(admin.SimpleListFilter):
    """When a thread is read next."""

    title = _("refresh")
    parameter_name = "refresh"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("due", _("Due now")),
            ("day", _("Due within a day")),
            ("later", _("Later")),
            ("never", _("Never synced")),
            ("off", _("Not refreshed")),
        ]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        now = timezone.now()
        tomorrow = now + timedelta(days=1)
        refreshed = queryset.filter(is_refreshable=True)
        match self.value():
            case "due":
                return refreshed.filter(next_refresh_at__lte=now)
            case "day":
                return refreshed.filter(next_refresh_at__lte=tomorrow)
            case "later":
                return refreshed.filter(next_refresh_at__gt=tomorrow)
            case "never":
                return queryset.filter(last_synced_at__isnull=True)
            case "off":
                return queryset.filter(is_refreshable=False)
        return queryset


class PriorityFilter(admin.SimpleListFilter):
    """How much a call for a thread was worth when it was last looked at."""

    title = _("refresh priority")
    parameter_name = "priority"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("high", _("High: %d and more") % HIGH_PRIORITY),
            ("middle", _("Between")),
            ("low", _("Low: below %d") % LOW_PRIORITY),
        ]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        refreshed = queryset.filter(is_refreshable=True)
        match self.value():
            case "high":
                return refreshed.filter(refresh_priority__gte=HIGH_PRIORITY)
            case "middle":
                return refreshed.filter(
                    refresh_priority__gte=LOW_PRIORITY, refresh_priority__lt=HIGH_PRIORITY
                )
            case "low":
                return refreshed.filter(refresh_priority__lt=LOW_PRIORITY)
        return queryset


class TokensFilter(admin.SimpleListFilter):
    """How many tokens a thread took, where its source tells. Unknown is not none."""

    title = _("tokens")
    parameter_name = "tokens"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("unknown", _("Unknown")),
            ("none", "0"),
            ("1k", _("Below 1,000")),
            ("10k", _("1,000 to 10,000")),
            ("100k", _("10,000 to 100,000")),
            ("more", _("100,000 and more")),
        ]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        value = self.value()
        if value == "unknown":
            return queryset.filter(total_tokens__isnull=True)
        if value not in _TOKENS:
            return queryset
        lowest, below = _TOKENS[value]
        # As a sum, or SQLite takes the index of totals for the range and sorts what it found:
        # 260 ms, where the list's own index has everything in order.
        queryset = queryset.alias(known_tokens=F("total_tokens") + 0)
        queryset = queryset.filter(known_tokens__gte=lowest)
        return queryset if below is None else queryset.filter(known_tokens__lt=below)


class BookmarkFilter(admin.SimpleListFilter):
    """What the person who looks has kept for themselves."""

    title = _("bookmark")
    parameter_name = "bookmark"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("mine", _("My bookmarks"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        if self.value() != "mine":
            return queryset
        mine = Bookmark.objects.filter(user=account_of(request))
        return queryset.filter(pk__in=mine.values("thread"))


class TagFilter(admin.SimpleListFilter):
    """By one tag; the list of them is of the threads that the user manages."""

    title = _("tag")
    parameter_name = "tag"
    most = 100  # in a menu that a person reads; the search finds tag:word of any
    kept_seconds = 60  # for owners of the same projects; none is offered that they no longer manage

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        on_threads = Thread.tags.through.objects.all()
        if account_of(request).is_superuser:
            # Tag by tag, the first thread answers; an owner's might be the last of many.
            on_any = Exists(on_threads.filter(tag=OuterRef("pk")))
            return self._names(Tag.objects.filter(on_any))
        mine = managed_ids(request)
        key = f"tag-menu:{hashlib.sha256(repr(sorted(mine)).encode()).hexdigest()}"
        choices: list[tuple[str, Any]] | None = cache.get(key)
        if choices is None:
            threads = Thread.objects.filter(project__in=mine).values("pk")
            choices = self._names(
                Tag.objects.filter(pk__in=on_threads.filter(thread__in=threads).values("tag"))
            )
            cache.set(key, choices, self.kept_seconds)
        return choices

    def _names(self, tags: models.QuerySet) -> list[tuple[str, Any]]:
        names = tags.order_by("name").values_list("name", flat=True)[: self.most]
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        value = self.value()
        if not value:
            return queryset
        tagged = Thread.tags.through.objects.filter(tag__name=value)
        return queryset.filter(pk__in=tagged.values("thread"))
