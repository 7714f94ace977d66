"""What stands beside threads and hits in the list of results: tags, attachments, the cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from threads.models import Message, Thread
from threads.search.results import Hit

_ICONS = {
    Message.Feature.IMAGE: "icons/image.svg",
    Message.Feature.FILE: "icons/file.svg",
    Message.Feature.ERROR: "icons/triangle-alert.svg",
    Message.Feature.REFUSAL: "icons/ban.svg",
}


@dataclass(frozen=True, slots=True)
class MarkedHit:
    """A hit with its badges: (icon, name) of what the message has, and its tokens if known."""

    hit: Hit
    features: tuple[tuple[str, str], ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None


def with_badges(hits: Iterable[Hit]) -> dict[int, MarkedHit]:
    """Return the hits by the ids of their messages; one query for all, none for no hits."""
    listed = {hit.pk: hit for hit in hits}
    if not listed:
        return {}
    rows = Message.objects.filter(pk__in=listed).values_list(
        "pk", "features", "input_tokens", "output_tokens"
    )
    made = {
        pk: MarkedHit(listed[pk], _features(bits), input_tokens, output_tokens)
        for pk, bits, input_tokens, output_tokens in rows
    }
    return {pk: made.get(pk) or MarkedHit(hit) for pk, hit in listed.items()}


def _features(bits: int) -> tuple[tuple[str, str], ...]:
    return tuple((icon, str(feature.label)) for feature, icon in _ICONS.items() if bits & feature)


@dataclass(slots=True)
class ThreadBadges:
    """Names of a thread's tags, and its tokens; None: nobody told."""

    total_tokens: int | None = None
    tags: list[str] = field(default_factory=list)


def thread_badges(pks: Iterable[int]) -> dict[int, ThreadBadges]:
    """Return what there is to say of the threads with these ids; one query."""
    rows = Thread.objects.filter(pk__in=list(pks)).order_by("tags__name")
    made: dict[int, ThreadBadges] = {}
    for pk, total_tokens, tag in rows.values_list("pk", "total_tokens", "tags__name"):
        badges = made.setdefault(pk, ThreadBadges(total_tokens))
        if tag is not None:
            badges.tags.append(tag)
    return made
