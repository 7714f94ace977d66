"""Threads, and the assistants that spoke in them."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from projects.models import Connection, Project, Tag

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

# No vowels and nothing that looks like something else: an id spells no word and can be read
# aloud. 28^10 = 3e14 ids: among a million threads two alike are met once in 600 archives, and
# the unique constraint refuses the second.
_ID_LETTERS = "23456789bcdfghjkmnpqrstvwxyz"
_ID_LENGTH = 10


def new_short_id() -> str:
    """Return an id at random. The system is asked for its random bits once, not for each letter."""
    number = secrets.randbelow(len(_ID_LETTERS) ** _ID_LENGTH)
    letters: list[str] = []
    while len(letters) < _ID_LENGTH:
        number, letter = divmod(number, len(_ID_LETTERS))
        letters.append(_ID_LETTERS[letter])
    return "".join(letters)


class Store(models.TextChoices):
    """Where a thread comes from: the stores of `Connection.Store`, or a file."""

    CONVERSATIONS = "conversations", _("Conversations")
    ASSISTANTS = "assistants", _("Assistants threads")
    CHATKIT = "chatkit", _("ChatKit threads")
    COMPLETIONS = "completions", _("Stored chat completions")
    RESPONSES = "responses", _("Responses")
    AGENTS = "agents", _("Agent sessions")
    IMPORT = "import", _("Imported file")


class Assistant(models.Model):
    """What speaks in a thread: an assistant, agent or model, with the name people know it by."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="assistants")
    external_id = models.CharField(_("id"), max_length=200)
    name = models.CharField(_("name"), max_length=300, blank=True)
    model = models.CharField(_("model"), max_length=120, blank=True)
    fetched_at = models.DateTimeField(_("last fetched"), null=True, blank=True)

    class Meta:
        verbose_name = _("assistant")
        verbose_name_plural = _("assistants")
        constraints = [
            models.UniqueConstraint(
                fields=["project", "external_id"], name="assistant_external_id_unique_in_project"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.external_id


class ThreadQuerySet(models.QuerySet["Thread"]):
    def visible_to(self, user: User | AnonymousUser | None) -> Self:
        """Keep the threads that `user` may read (None is a visitor); none that is in the trash."""
        return self.filter(project__in=Project.objects.visible_to(user), trashed_at__isnull=True)

    def managed_by(self, user: User | AnonymousUser | None) -> Self:
        """Keep the threads of the projects that `user` may change, trash included."""
        return self.filter(project__in=Project.objects.managed_by(user))

    def refreshable(self) -> Self:
        """Keep those that a source can still be asked about."""
        return self.filter(is_refreshable=True, connection__isnull=False, trashed_at__isnull=True)

    def due_for_refresh(self, now: datetime) -> Self:
        """Those to read now, the earliest first; served by the index thread_due."""
        return (
            self.refreshable()
            .filter(next_refresh_at__lte=now)
            .filter(Q(refresh_not_before__isnull=True) | Q(refresh_not_before__lte=now))
            .order_by("next_refresh_at", "pk")
        )


ThreadManager = models.Manager.from_queryset(ThreadQuerySet)


class Thread(models.Model):
    """One conversation, as last seen at its source. What upstream loses stays here."""

    class UpstreamState(models.TextChoices):
        ACTIVE = "active", _("Active")
        CLOSED = "closed", _("Closed")
        GONE = "gone", _("No longer at its source")
        RETIRED = "retired", _("Its store was switched off")
        IMPORTED = "imported", _("Came from a file")

        @classmethod
        def still_there(cls) -> tuple[Thread.UpstreamState, ...]:
            return cls.ACTIVE, cls.CLOSED

    class UsageSource(models.TextChoices):
        RUN = "run", _("Runs")
        RESPONSE = "response", _("Responses")
        TURN = "turn", _("Turns")
        SESSION = "session", _("Session")
        COMPLETION = "completion", _("Completion")
        FILE = "file", _("Imported file")

    short_id = models.CharField(
        _("address"), max_length=12, unique=True, default=new_short_id, editable=False
    )
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="threads", verbose_name=_("project")
    )
    # Where to ask for news. Null: it came from a file, or its connection was removed.
    connection = models.ForeignKey(
        Connection,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="threads",
        verbose_name=_("connection"),
    )
    store = models.CharField(_("source"), max_length=20, choices=Store.choices)
    external_id = models.CharField(_("thread id"), max_length=200)
    # Responses chains: external_id is the root, this the newest response.
    head_id = models.CharField(max_length=200, blank=True, editable=False)
    title = models.CharField(_("title"), max_length=300, blank=True)
    remark = models.TextField(_("remark"), blank=True)
    end_user = models.CharField(_("end user"), max_length=200, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    tags = models.ManyToManyField(Tag, related_name="threads", blank=True, verbose_name=_("tags"))
    assistant = models.ForeignKey(
        Assistant,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="threads",
        verbose_name=_("assistant"),
    )
    model = models.CharField(_("model"), max_length=120, blank=True)

    created_at = models.DateTimeField(_("created"), null=True, blank=True)  # null: not known
    archived_at = models.DateTimeField(_("archived"), default=timezone.now, editable=False)
    last_message_timestamp = models.DateTimeField(_("last message"), null=True, blank=True)

    # Messages proper; tool calls, tool output and reasoning count in item_count only.
    message_count = models.PositiveIntegerField(_("messages"), default=0)
    item_count = models.PositiveIntegerField(_("items"), default=0)
    # Tokens: null means unknown, never 0. The estimate is ours and stands apart.
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), null=True, blank=True)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), null=True, blank=True)
    total_tokens = models.PositiveBigIntegerField(_("tokens"), null=True, blank=True)
    cached_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    reasoning_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    usage_source = models.CharField(max_length=12, choices=UsageSource.choices, blank=True)
    usage_is_exact = models.BooleanField(null=True, blank=True)
    estimated_tokens = models.PositiveBigIntegerField(null=True, blank=True)

    upstream_state = models.CharField(
        _("state"), max_length=10, choices=UpstreamState.choices, default=UpstreamState.ACTIVE
    )
    gone_at = models.DateTimeField(_("gone since"), null=True, blank=True)
    is_held = models.BooleanField(_("legal hold"), default=False)
    trashed_at = models.DateTimeField(_("in the trash since"), null=True, blank=True)

    # Smart Refresh. Everything that is needed to go on after a crash is in these columns.
    is_refreshable = models.BooleanField(_("refreshed"), default=True)
    last_synced_at = models.DateTimeField(_("last synced"), null=True, blank=True)  # null: never
    last_full_sync_at = models.DateTimeField(null=True, blank=True)
    last_item_id = models.CharField(max_length=200, blank=True, editable=False)  # the cursor
    session_count = models.PositiveIntegerField(default=0, editable=False)
    # The score at the last look: message-seconds of waiting that one call would have ended.
    refresh_priority = models.FloatField(_("refresh priority"), default=0.0)
    next_refresh_at = models.DateTimeField(_("next refresh"), null=True, blank=True)
    refresh_not_before = models.DateTimeField(null=True, blank=True, editable=False)
    refresh_failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    stale_refresh_count = models.PositiveIntegerField(_("refreshes without change"), default=0)
    last_error = models.CharField(_("last error"), max_length=500, blank=True)

    objects = ThreadManager()

    class Meta:
        verbose_name = _("thread")
        verbose_name_plural = _("threads")
        constraints = [
            models.UniqueConstraint(
                fields=["project", "external_id"], name="thread_external_id_unique_in_project"
            ),
            models.CheckConstraint(
                condition=~Q(external_id=""), name="thread_external_id_is_not_empty"
            ),
        ]
        indexes = [
            # Serves choosing what one connection reads next, every minute. What lies in the
            # trash would stand in front for ever.
            models.Index(
                fields=["connection", "next_refresh_at", "id"],
                condition=Q(is_refreshable=True, trashed_at__isnull=True),
                name="thread_due",
            ),
            # Serves the same for those that were never read, or not for longest.
            models.Index(
                fields=["connection", "last_synced_at", "id"],
                condition=Q(is_refreshable=True, trashed_at__isnull=True),
                name="thread_longest_unsynced",
            ),
            # Serves the admin's list and the public one without a query, newest first.
            models.Index(
                F("last_message_timestamp").desc(),
                F("id").desc(),
                name="thread_newest",
            ),
            # Serves the same within one project, and the project's totals.
            models.Index(
                F("project"),
                F("last_message_timestamp").desc(),
                F("id").desc(),
                name="thread_project_newest",
            ),
            # Covers the console's list: any of its filters, in its order, reads this and never the
            # rows, which are ten times as large; those of the page are read by their ids.
            models.Index(
                F("last_message_timestamp").desc(),
                F("id").desc(),
                *(F("trashed_at"), F("project"), F("store"), F("upstream_state"), F("is_held")),
                *(F("is_refreshable"), F("next_refresh_at"), F("last_synced_at")),
                *(F("refresh_failures"), F("refresh_priority"), F("total_tokens")),
                *(F("estimated_tokens"), F("gone_at")),
                name="thread_console",
            ),
            # Covers totals and counts by project: they read this and never the rows.
            models.Index(
                fields=[
                    *("project", "trashed_at", "refresh_failures"),
                    *("message_count", "total_tokens", "estimated_tokens"),
                ],
                name="thread_totals",
            ),
            # Serves /threads/<the store's id>/, which redirects.
            models.Index(fields=["external_id"], name="thread_external_id"),
        ]

    def __str__(self) -> str:
        return self.title or self.external_id

    def get_absolute_url(self) -> str:
        return reverse("threads:thread", args=[self.short_id])

    @property
    def is_missed(self) -> bool:
        """True when its source did not know it when last asked, and is asked about it once more."""
        return self.gone_at is not None and self.upstream_state in self.UpstreamState.still_there()
