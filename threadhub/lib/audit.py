"""Who did what: anything may tell, monitoring keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from django.dispatch import Signal

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

# Keywords: actor, action, target, project_id, outcome, details, ip.
recorded = Signal()


REMEMBERED_SECONDS = 600  # pages of one thread, read one after the other, are one reading


def record_read(
    target: object, *, actor: User | AnonymousUser, project_id: int, via: str = ""
) -> None:
    """Put a reading on the audit log, once in ten minutes for each reader and thing read.

    Costs one look into the cache, and two queries when it is recorded. Reading what is public is
    nobody's business: do not call it then.
    """
    name = f"audit:read:{actor.pk or 'visitor'}:{type(target).__name__}:{getattr(target, 'pk', '')}"
    if cache.add(name, 1, timeout=REMEMBERED_SECONDS):
        action = f"{type(target).__name__.lower()}.read"
        record(action=action, actor=actor, target=target, project_id=project_id, via=via)


def record(
    *,
    action: str,
    actor: User | AnonymousUser | None = None,
    target: object | None = None,
    project_id: int | None = None,
    outcome: str = "ok",
    ip: str = "",
    **details: str | int | float | bool | list[str] | None,
) -> str:
    """Put one event on the audit log, in the transaction that is open; return what names it.

    `action` is a dotted verb ("thread.sync", "connection.test"). `target` is the model instance
    that was acted on. `details` are plain values; never a secret. An actor of None is the system.
    """
    event: dict[str, Any] = {"action": action, "actor": actor, "target": target}
    event |= {"project_id": project_id, "outcome": outcome, "ip": ip, "details": details}
    answers = recorded.send(sender=None, **event)
    return next((name for _receiver, name in answers if isinstance(name, str)), "")
