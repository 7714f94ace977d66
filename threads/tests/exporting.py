"""What tests of exports do: make threads that were read, sign in, and read a file that was sent."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from threads.models import MessageSource, Thread
from threads.tests.factories import make_conversation


def make_sourced(*texts: str, **fields: Any) -> Thread:
    thread = make_conversation(*texts, **fields)
    for message in thread.messages.all():
        MessageSource.objects.create(message=message)
    Thread.objects.filter(pk=thread.pk).update(item_count=len(texts), message_count=len(texts))
    return thread


def sign_in(client: Client, **fields: Any) -> User:
    user = User.objects.create_user("ann", **fields)
    client.force_login(user)
    return user


def content_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)
