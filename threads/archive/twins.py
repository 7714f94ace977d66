"""Recognises messages without the store's id: they came from a file that did not keep it.

Those of the predecessor have a role, a second and a text. In one thread that is as good as an
id, also when the text was written down in another way.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from threads.imports.base import UNNAMED
from threads.models import Message, Thread
from threads.sources import RemoteMessage

_IMAGE = re.compile(r"!\[[^\]\n]{0,200}\]\([^)\s]{1,400}\)")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _Candidate:
    pk: int
    text: str


_Key = tuple[str, datetime | None]


def twins_of(thread: Thread, wanted: Mapping[str, RemoteMessage]) -> dict[str, int]:
    """Return the primary keys of messages that are the same as those `wanted`, by their ids.

    A message with the store's id looks among those without one, and the other way round. One
    query for each kind.
    """
    unnamed = {key: message for key, message in wanted.items() if key.startswith(UNNAMED)}
    named = {key: message for key, message in wanted.items() if key not in unnamed}
    return _find(thread, named, are_unnamed=True) | _find(thread, unnamed, are_unnamed=False)


def _find(
    thread: Thread, wanted: Mapping[str, RemoteMessage], *, are_unnamed: bool
) -> dict[str, int]:
    by_key: dict[_Key, list[str]] = defaultdict(list)
    for identity, message in wanted.items():
        by_key[message.role, message.created_at].append(identity)
    candidates = _candidates(thread, by_key, are_unnamed=are_unnamed) if wanted else {}
    found: dict[str, int] = {}
    for key, identities in by_key.items():
        left = candidates.get(key, [])
        rest = []
        for identity in identities:
            text = _bare(wanted[identity].text)
            same = next((each for each in left if each.text == text), None)
            if same is None:
                rest.append(identity)
            else:
                left.remove(same)
                found[identity] = same.pk
        # With a time of its own, what is alone on both sides is the same, differently written.
        if key[1] is not None and len(rest) == len(left) == 1:
            found[rest[0]] = left[0].pk
    return found


def _candidates(
    thread: Thread, keys: Mapping[_Key, object], *, are_unnamed: bool
) -> dict[_Key, list[_Candidate]]:
    times = {moment for _role, moment in keys if moment is not None}
    within = Q(created_at__in=times)
    if any(moment is None for _role, moment in keys):
        within |= Q(created_at__isnull=True)
    rows = Message.objects.filter(within, thread=thread, branch=0)
    is_unnamed = Q(remote_id__startswith=UNNAMED)
    rows = rows.filter(is_unnamed if are_unnamed else ~is_unnamed)
    found: dict[_Key, list[_Candidate]] = defaultdict(list)
    listed = rows.order_by("position").values_list("pk", "role", "created_at", "text")
    for pk, role, moment, text in listed:
        found[role, moment].append(_Candidate(pk, _bare(text)))
    return found


def _bare(text: str) -> str:
    """Return the letters of a text: spaces and pictures are where servers and files differ."""
    return _SPACE.sub("", _IMAGE.sub("", text))
