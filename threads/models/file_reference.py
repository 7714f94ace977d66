"""Which files the messages of a project name: nothing else is ever fetched or handed out."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from projects.models import Connection, Project
from threads.models.message import Message


class FileReference(models.Model):
    """One file that one message names, by the store's id."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="files")
    # The message's own, repeated here because a file's address begins with it.
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    # Where the message was read: only that key may ask for the file. None: a file brought the
    # message, and whoever wrote that file must not choose what a key fetches.
    connection = models.ForeignKey(
        Connection, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    file_id = models.CharField(_("file id"), max_length=200)
    # Files that a code interpreter made are read through their container.
    container_id = models.CharField(max_length=200, blank=True)
    name = models.CharField(_("name"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("file reference")
        verbose_name_plural = _("file references")
        constraints = [
            models.UniqueConstraint(
                fields=["message", "file_id"], name="file_reference_once_in_message"
            )
        ]
        indexes = [
            # Serves the address of a file: who names it, and may the reader see one of those.
            models.Index(fields=["project", "file_id"], name="file_reference_by_file"),
        ]

    def __str__(self) -> str:
        return f"{self.file_id} in message {self.message_id}"
