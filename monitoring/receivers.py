"""Stores what the rest of ThreadHub reports through `threadhub.lib.audit`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import models

from monitoring import chain
from monitoring.models import AuditEvent
from monitoring.offences import take_note
from threadhub.lib import audit, logs, offences
from threadhub.lib.http import client_ip
from threadhub.lib.ratelimit import count_failed_login


def store(
    *,
    action: str,
    actor: Any,
    target: object | None,
    project_id: int | None,
    outcome: str,
    details: dict[str, Any],
    ip: str,
    **_: Any,
) -> str:
    """Keep an event; return its number and hash, by which it is found again."""
    is_row = isinstance(target, models.Model)
    known = actor is not None and actor.is_authenticated
    event = AuditEvent(
        actor=actor if known else None,
        actor_name=actor.get_username()[:200] if known else ("visitor" if actor else "system"),
        ip=ip or logs.client_address.get(),
        request_id=logs.request_id.get(),
        action=action,
        target_type=target._meta.label_lower if is_row else "",  # type: ignore[union-attr]
        target_id=str(target.pk)[:64] if is_row else "",  # type: ignore[union-attr]
        target_label="" if target is None else _storable(str(target))[:300],
        project_id=project_id,
        outcome=outcome,
        details={name: _storable(value) for name, value in details.items()},
    )
    chain.append(event)
    return f"#{event.pk} {event.row_hash}"


def _storable(value: Any) -> Any:
    """Return text without secrets, and without what a database or a hash cannot take.

    People search for keys that leaked, and a search is recorded with its words.
    """
    if isinstance(value, str):
        text = logs.redact(value.replace("\x00", "\ufffd"))
        return text.encode("utf-8", "replace").decode()
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value


def _logged_in(request: Any, user: Any, **_: Any) -> None:
    audit.record(action="login", actor=user, ip=client_ip(request) if request else "")


def _logged_out(request: Any, user: Any, **_: Any) -> None:
    if user is not None:
        audit.record(action="logout", actor=user, ip=client_ip(request) if request else "")


def _login_failed(credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    name = str(credentials.get("username", ""))[:200]
    ip = client_ip(request) if request else ""
    if request is not None:
        count_failed_login(request, name)
    audit.record(action="login", outcome="refused", ip=ip, username=name)


def connect() -> None:
    audit.recorded.connect(store, dispatch_uid="monitoring.audit")
    offences.noted.connect(take_note, dispatch_uid="monitoring.offences")
    user_logged_in.connect(_logged_in, dispatch_uid="monitoring.login")
    user_logged_out.connect(_logged_out, dispatch_uid="monitoring.logout")
    user_login_failed.connect(_login_failed, dispatch_uid="monitoring.login_failed")
