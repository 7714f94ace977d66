"""Stores what the rest of ThreadHub reports through `threadhub.lib.audit`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import models

from monitoring.models import AuditEvent
from threadhub.lib import audit, logs
from threadhub.lib.http import client_ip


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
) -> None:
    is_row = isinstance(target, models.Model)
    known = actor is not None and actor.is_authenticated
    AuditEvent.objects.create(
        actor=actor if known else None,
        actor_name=actor.get_username()[:200] if known else ("visitor" if actor else "system"),
        ip=ip,
        request_id=logs.request_id.get(),
        action=action,
        target_type=target._meta.label_lower if is_row else "",  # type: ignore[union-attr]
        target_id=str(target.pk)[:64] if is_row else "",  # type: ignore[union-attr]
        target_label="" if target is None else str(target)[:300],
        project_id=project_id,
        outcome=outcome,
        details=details,
    )


def _logged_in(request: Any, user: Any, **_: Any) -> None:
    audit.record(action="login", actor=user, ip=client_ip(request) if request else "")


def _logged_out(request: Any, user: Any, **_: Any) -> None:
    if user is not None:
        audit.record(action="logout", actor=user, ip=client_ip(request) if request else "")


def _login_failed(credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    name = str(credentials.get("username", ""))[:200]
    ip = client_ip(request) if request else ""
    audit.record(action="login", outcome="refused", ip=ip, username=name)


def connect() -> None:
    audit.recorded.connect(store, dispatch_uid="monitoring.audit")
    user_logged_in.connect(_logged_in, dispatch_uid="monitoring.login")
    user_logged_out.connect(_logged_out, dispatch_uid="monitoring.logout")
    user_login_failed.connect(_login_failed, dispatch_uid="monitoring.login_failed")
