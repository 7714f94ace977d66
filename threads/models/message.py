"""Messages: what lists and search read in one table, what upstream sent in another."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from projects.models import Project
from threads.models.thread import Assistant, Thread


class Message(models.Model):
    """One item of a thread, as plain text, with what search and lists need beside it."""

    class Role(models.TextChoices):
        USER = "user", _("User")
        ASSISTANT = "assistant", _("Assistant")
        TOOL = "tool", _("Tool")
        SYSTEM = "system", _("System")
        DEVELOPER = "developer", _("Developer")
        UNKNOWN = "unknown", _("Unknown")

    class Kind(models.TextChoices):
        MESSAGE = "message", _("Message")
        TOOL_CALL = "tool_call", _("Tool call")
        TOOL_OUTPUT = "tool_output", _("Tool output")
        REASONING = "reasoning", _("Reasoning")
        COMPACTION = "compaction", _("Compaction")
        EVENT = "event", _("Event")
        UNKNOWN = "unknown", _("Unknown item")

    class TimeSource(models.TextChoices):
        GIVEN = "given", _("Given by the source")
        ID = "id", _("Read from the id")
        SEEN = "seen", _("When ThreadHub first saw it")
        UNKNOWN = "unknown", _("Unknown")

    class Feature(models.IntegerChoices):
        """Bits of `features`, for `has:` in searches."""

        IMAGE = 1, _("image")
        FILE = 2, _("file")
        CODE = 4, _("code")
        TOOL = 8, _("tool")
        LINK = 16, _("link")
        ERROR = 32, _("error")
        REFUSAL = 64, _("refusal")

    thread = models.ForeignKey(
        Thread, on_delete=models.CASCADE, related_name="messages", verbose_name=_("thread")
    )
    # The thread's own, repeated here because the search index filters by it.
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    # From 1, in the store's order; never changes once given, so that permalinks stay.
    position = models.PositiveIntegerField(_("position"))
    remote_id = models.CharField(_("message id"), max_length=200)
    # 0 is the conversation as it is shown; imported trees number their other branches from 1.
    branch = models.PositiveIntegerField(default=0)
    role = models.CharField(_("role"), max_length=12, choices=Role.choices)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices, default=Kind.MESSAGE)
    type = models.CharField(max_length=60, blank=True)  # the store's own word for the item
    text = models.TextField(_("text"), blank=True)
    name = models.CharField(_("name"), max_length=200, blank=True)  # of the author or the tool
    model = models.CharField(_("model"), max_length=120, blank=True)
    assistant = models.ForeignKey(
        Assistant, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    status = models.CharField(max_length=20, blank=True)
    is_final = models.BooleanField(default=True)
    is_hidden = models.BooleanField(default=False)  # by the system that exported it
    group_id = models.CharField(max_length=200, blank=True)  # run, turn or response
    features = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(_("sent"), null=True, blank=True)
    time_source = models.CharField(
        max_length=8, choices=TimeSource.choices, default=TimeSource.UNKNOWN
    )
    archived_at = models.DateTimeField(_("archived"), default=timezone.now, editable=False)
    removed_at = models.DateTimeField(_("removed at the source"), null=True, blank=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    # SHA-256 over what upstream sent, 32 hex digits: tells an edited message from the same one.
    content_hash = models.CharField(max_length=32, blank=True)
    # Orders the whole archive by time, one number a message: see threads/search/keys.py.
    search_key = models.BigIntegerField(unique=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            models.UniqueConstraint(
                fields=["thread", "remote_id"], name="message_remote_id_unique_in_thread"
            ),
            # Also serves reading a thread from its start, or around a hit.
            models.UniqueConstraint(
                fields=["thread", "position"], name="message_position_unique_in_thread"
            ),
        ]
        indexes = [
            # Covers grouping of search hits by thread: no look into the table for it.
            models.Index(fields=["search_key", "thread", "project"], name="message_grouping"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.position} ({self.remote_id})"


class MessageSource(models.Model):
    """What upstream sent for a message, and its parts: read by the thread page and exports."""

    message = models.OneToOneField(
        Message, on_delete=models.CASCADE, primary_key=True, related_name="source"
    )
    raw = models.TextField(blank=True)  # JSON, as received
    # [{"kind", "text", "url", "file_id", "mime", "annotations"}]; empty when text says it all.
    parts = models.JSONField(default=list, blank=True)

    class Meta:
        verbose_name = _("message source")
        verbose_name_plural = _("message sources")

    def __str__(self) -> str:
        return f"source of message {self.message_id}"
