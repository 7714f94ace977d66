"""Who did what: anything may tell, monitoring keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

# Keywords: actor, action, target, project_id, outcome, details, ip.
recorded = Signal()


def record(
    *,
    action: str,
    actor: User | AnonymousUser | None = None,
    target: object | None = None,
    project_id: int | None = None,
    outcome: str = "ok",
    ip: str = "",
    **details: str | int | float | bool | list[str] | None,
) -> None:
    """Put one event on the audit log, in the transaction that is open.

    `action` is a dotted verb ("thread.sync", "connection.test"). `target` is the model instance
    that was acted on. `details` are plain values; never a secret. An actor of None is the system.
    """
    event: dict[str, Any] = {"action": action, "actor": actor, "target": target}
    event |= {"project_id": project_id, "outcome": outcome, "ip": ip, "details": details}
    recorded.send(sender=None, **event)
