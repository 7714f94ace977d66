"""What happens when somebody logs in, changes a password or a second factor: time and audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account import signals as account_signals
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa_signals
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_save
from django.utils import timezone

from projects.accounts import preferences, sessions
from threadhub.lib import audit
from threadhub.lib.http import client_ip
from threadhub.lib.ratelimit import count_failed_login

if TYPE_CHECKING:
    from allauth.mfa.models import Authenticator
    from django.http import HttpRequest


def _logged_in(request: HttpRequest | None, user: User, **_: Any) -> None:
    if request is not None:
        sessions.begin(request, now=timezone.now())
        preferences.remember(request, user)


def _wrong_code(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    """Count it like a wrong password: whoever is at it knows the password already."""
    count_failed_login(request, user.get_username())
    audit.record(
        action="login",
        outcome="refused",
        ip=client_ip(request),
        username=user.get_username(),
        method=authenticator.type,
    )


def _noted(verb: str) -> Any:
    def note(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
        audit.record(
            action=f"account.second_factor.{verb}",
            actor=user,
            target=user,
            ip=client_ip(request),
            method=authenticator.type,
        )

    return note


def _password(verb: str) -> Any:
    def note(request: HttpRequest, user: User, **_: Any) -> None:
        audit.record(
            action=f"account.password.{verb}", actor=user, target=user, ip=client_ip(request)
        )

    return note


def _forget_addresses(
    instance: User, update_fields: frozenset[str] | None = None, **_: Any
) -> None:
    """Let an address that was changed open nothing any more, a new password least of all."""
    if update_fields is None or "email" in update_fields:
        addresses = EmailAddress.objects.filter(user_id=instance.pk)
        addresses.exclude(email__iexact=instance.email).delete()


def connect() -> None:
    user_logged_in.connect(_logged_in, dispatch_uid="accounts.login")
    mfa_signals.authentication_failed.connect(_wrong_code, dispatch_uid="accounts.wrong_code")
    for verb in ("added", "removed", "reset"):
        signal = getattr(mfa_signals, f"authenticator_{verb}")
        signal.connect(_noted(verb), weak=False, dispatch_uid=f"accounts.factor.{verb}")
    for verb in ("changed", "set", "reset"):
        signal = getattr(account_signals, f"password_{verb}")
        signal.connect(_password(verb), weak=False, dispatch_uid=f"accounts.password.{verb}")
    post_save.connect(_forget_addresses, sender=User, dispatch_uid="accounts.addresses")
