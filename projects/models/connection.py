"""How a project reaches a store of threads: where it is, and with which key."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.core.validators import MaxValueValidator, URLValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from projects.keys import secret_box
from projects.models.project import Project

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def managed_by(self, user: User | AnonymousUser | None) -> Self:
        """Keep the connections of the projects that `user` may change."""
        return self.filter(project__in=Project.objects.managed_by(user))

    def callable_of(self, project_ids: Iterable[int]) -> Self:
        """Keep those of these projects that are switched on and not refused; some may pause."""
        return self.filter(
            project__in=list(project_ids),
            is_enabled=True,
            state__in=Connection.CALLABLE_STATES,
        ).order_by("project", "pk")

    def usable(self, now: datetime) -> Self:
        """Keep those that may be called now: switched on, not refused, not paused."""
        return self.filter(is_enabled=True, state__in=Connection.CALLABLE_STATES).filter(
            Q(paused_until__isnull=True) | Q(paused_until__lte=now)
        )


ConnectionManager = models.Manager.from_queryset(ConnectionQuerySet)


class Connection(models.Model):
    """One store of one project. The key is sealed, bound to this row, and never shown again."""

    class Store(models.TextChoices):
        CONVERSATIONS = "conversations", _("Conversations")
        ASSISTANTS = "assistants", _("Assistants threads")
        CHATKIT = "chatkit", _("ChatKit threads")
        COMPLETIONS = "completions", _("Stored chat completions")
        RESPONSES = "responses", _("Responses")
        AGENTS = "agents", _("Agent sessions")

    class State(models.TextChoices):
        UNTESTED = "untested", _("Not tested yet")
        WORKING = "working", _("Working")
        UNREACHABLE = "unreachable", _("Not reachable")
        DENIED = "denied", _("Key refused")
        EXHAUSTED = "exhausted", _("Quota used up")
        RETIRED = "retired", _("Store switched off")
        UNREADABLE = "unreadable", _("Key cannot be opened")

    # The others wait until a person has changed something.
    CALLABLE_STATES = [State.UNTESTED, State.WORKING, State.UNREACHABLE]

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="connections", verbose_name=_("project")
    )
    name = models.CharField(_("name"), max_length=100, blank=True)
    store = models.CharField(
        _("store"), max_length=20, choices=Store.choices, default=Store.CONVERSATIONS
    )
    # Not URLField: its form field guesses a scheme, and a guess is wrong for one's own servers.
    base_url = models.CharField(
        _("base URL"),
        max_length=300,
        blank=True,
        validators=[URLValidator(schemes=["http", "https"])],
        help_text=_("Empty: https://api.openai.com/v1. Any compatible server works."),
    )
    azure_endpoint = models.CharField(
        _("Azure endpoint"),
        max_length=300,
        blank=True,
        validators=[URLValidator(schemes=["http", "https"])],
    )
    azure_api_version = models.CharField(_("Azure API version"), max_length=40, blank=True)
    sealed_key = models.TextField(editable=False, blank=True)
    key_ending = models.CharField(_("key ends with"), max_length=4, blank=True, editable=False)
    # Keyed hash: finds the same key in two projects without opening either.
    key_fingerprint = models.CharField(max_length=32, blank=True, editable=False, db_index=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    state = models.CharField(
        _("state"), max_length=12, choices=State.choices, default=State.UNTESTED, editable=False
    )
    state_reason = models.CharField(_("reason"), max_length=500, blank=True, editable=False)
    checked_at = models.DateTimeField(_("last tested"), null=True, blank=True, editable=False)
    calls_per_minute = models.PositiveIntegerField(_("calls per minute"), default=60)
    calls_per_day = models.PositiveIntegerField(
        _("calls per day"), null=True, blank=True, help_text=_("Empty: no daily limit.")
    )
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True, editable=False)
    is_refreshed = models.BooleanField(
        _("Smart Refresh"), default=True, help_text=_("Read its threads again by itself.")
    )
    saves_calls = models.BooleanField(
        _("save calls"),
        default=True,
        help_text=_(
            "Leave out calls that are hardly worth it. Off: all calls are used to be up to date."
        ),
    )
    # Hours of the day in the installation's time zone; from 22 until 6 goes through the night.
    refresh_from_hour = models.PositiveSmallIntegerField(
        _("refresh from"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(23)],
        help_text=_("Full hour, 0 to 23. Empty: all day."),
    )
    refresh_until_hour = models.PositiveSmallIntegerField(
        _("refresh until"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(23)],
        help_text=_("Full hour, 0 to 23. Empty: all day."),
    )
    # Smart Refresh: the rate that the server accepts at present (calls a minute; null = all of
    # calls_per_minute) and the cut-off of the refresh score in message-seconds.
    accepted_rate = models.FloatField(null=True, blank=True, editable=False)
    refresh_threshold = models.FloatField(default=1.0, editable=False)
    # Where listing the store's threads goes on; empty = from the start.
    list_cursor = models.CharField(max_length=300, blank=True, editable=False)
    listed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = ConnectionManager()

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        constraints = [
            models.CheckConstraint(
                condition=Q(azure_endpoint="") | ~Q(azure_api_version=""),
                name="connection_azure_endpoint_needs_a_version",
            ),
            models.CheckConstraint(
                condition=Q(calls_per_minute__gt=0), name="connection_calls_per_minute_above_0"
            ),
            models.CheckConstraint(
                condition=Q(refresh_from_hour__isnull=True, refresh_until_hour__isnull=True)
                | Q(refresh_from_hour__lte=23, refresh_until_hour__lte=23),
                name="connection_refresh_hours_come_in_pairs",
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.get_store_display()} ({self.project})"

    def is_usable(self, now: datetime) -> bool:
        """Tell whether it may be called now; `usable` is the same for many."""
        is_paused = self.paused_until is not None and self.paused_until > now
        return self.is_enabled and self.state in self.CALLABLE_STATES and not is_paused

    def is_refresh_hour(self, hour: int) -> bool:
        """Tell whether Smart Refresh may run in this hour of the day, 0 to 23."""
        begin, end = self.refresh_from_hour, self.refresh_until_hour
        if begin is None or end is None or begin == end:
            return True
        if begin < end:
            return begin <= hour < end
        return hour >= begin or hour < end

    @property
    def _bound_to(self) -> tuple[str, str]:
        return ("projects_connection.sealed_key", str(self.uuid))

    @property
    def has_key(self) -> bool:
        return bool(self.sealed_key)

    def set_key(self, key: str) -> None:
        """Seal `key` into this row. The caller saves it. An empty key takes the old one away.

        :raises NoMasterKey: when this installation has no master key.
        """
        key = key.strip()
        box = secret_box()
        self.sealed_key = box.encrypt(key, for_=self._bound_to) if key else ""
        self.key_ending = key[-4:] if len(key) >= 12 else ""
        self.key_fingerprint = box.fingerprint(key) if key else ""
        self.state = self.State.UNTESTED
        self.state_reason = ""

    def open_key(self) -> str:
        """Return the key in plain text; "" when none was entered. Only for building a source.

        :raises SecretError: when it cannot be opened; the text says what to do.
        """
        if not self.sealed_key:
            return ""
        return secret_box().decrypt(self.sealed_key, for_=self._bound_to)

    def reseal(self) -> bool:
        """Seal the key with the newest master key. False when it already is; the caller saves.

        :raises SecretError: when the key cannot be opened.
        """
        if not self.sealed_key or not secret_box().needs_rotation(self.sealed_key):
            return False
        key = self.open_key()
        self.sealed_key = secret_box().encrypt(key, for_=self._bound_to)
        self.key_fingerprint = secret_box().fingerprint(key)
        return True
