"""What django-allauth asks ThreadHub: who may sign up, what is counted, how secrets are kept."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.contrib.sites.requests import RequestSite
from django.shortcuts import render
from django.urls import reverse

from projects.accounts import roles, second_factor
from projects.crypto import SecretError
from projects.models import SiteSettings
from threadhub.lib.http import client_ip
from threadhub.lib.ratelimit import login_wait, too_many

if TYPE_CHECKING:
    from allauth.mfa.models import Authenticator
    from allauth.socialaccount.models import SocialApp, SocialLogin
    from allauth.socialaccount.providers.oauth2.provider import OAuth2Provider
    from django.contrib.auth.models import User
    from django.http import HttpRequest

logger = logging.getLogger(__name__)

REFUSED = "refused"  # in THREADHUB_OIDC_NEWCOMERS: nobody gets an account by logging in


def sends_mail() -> bool:
    """Tell whether mail leaves this server; without EMAIL_URL it would end on the terminal."""
    return settings.DEBUG or not settings.EMAIL_BACKEND.endswith(".console.EmailBackend")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False  # administrators make accounts

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_ip(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse after too many failures, before the password is looked at.

        So that a right guess tells nothing either. Failures are counted where Django reports them.
        """
        refuse_while_locked(request, str(credentials.get("username", "")))

    def is_reauthentication_required(self, *, app: str, **_: Any) -> bool:
        """Ask for the password again before accounts change, unless it was given just now."""
        request, now = context.request, time.time()
        steps = get_authentication_records(request, request.user)
        is_fresh = any(
            now - step["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT for step in steps
        )
        return not is_fresh and super().is_reauthentication_required(app=app)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link for a mail; the address is the configured one, not the request's word."""
        path: str = reverse("account_reset_password_from_key", kwargs={"uidb36": "I", "key": "K"})
        return f"{settings.THREADHUB_URL}{path.replace('I-K', key)}"

    def format_email_subject(self, subject: str) -> str:
        return f"[{SiteSettings.current().name}] {subject}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail. A mail server that is away fails nobody's request: it is logged."""
        if not sends_mail():
            logger.warning("A mail about an account was not sent: EMAIL_URL is not set.")
            return
        try:
            site = RequestSite(self.request)  # for the words around each mail
            site.name = SiteSettings.current().name
            super().send_mail(template_prefix, email, {"current_site": site, **context})
        except OSError as error:  # smtplib's errors, time-outs and refused connections are these
            logger.error("A mail about an account could not be sent: %s", error)


def refuse_while_locked(request: HttpRequest, username: str) -> None:
    """Stop here after too many failed logins from this address, or of this account.

    :raises ImmediateHttpResponse: with the page that says how long to wait.
    """
    wait_seconds = login_wait(request, username)
    if wait_seconds is not None:
        raise ImmediateHttpResponse(too_many(request, wait_seconds))


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    def get_totp_issuer(self) -> str:
        return f"{SiteSettings.current().name} ({context.request.get_host()})"

    def get_totp_label(self, user: User) -> str:
        return user.get_username()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Keep the last one of somebody who has to have one."""
        user = authenticator.user
        if not second_factor.is_required_of(user):
            return True
        return second_factor.factors_of(user).exclude(pk=authenticator.pk).exists()

    def encrypt(self, text: str) -> str:
        try:
            return second_factor.seal(text)
        except SecretError as error:
            raise _unusable(error) from error

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return second_factor.unseal(encrypted_text)
        except SecretError as error:
            raise _unusable(error) from error


def _unusable(error: SecretError) -> ImmediateHttpResponse:
    """Return what ends the request with a page that says why no second factor can be checked.

    Anything that went on instead, with another secret, would be one that somebody can guess.
    """
    logger.error("A second factor cannot be used: %s", error)
    page = render(context.request, "account/second_factor_lost.html", status=503)
    return ImmediateHttpResponse(page)


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """OpenID Connect, configured by the environment and nowhere else."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Return the one provider of the settings; none when it is off. No query."""
        from allauth.socialaccount.models import SocialApp

        names = {None, "openid_connect", settings.THREADHUB_OIDC_ID}
        if not has_single_sign_on() or provider not in names:
            return []
        if client_id not in {None, settings.THREADHUB_OIDC_CLIENT_ID}:
            return []
        return [
            SocialApp(
                provider="openid_connect",
                provider_id=settings.THREADHUB_OIDC_ID,
                name=settings.THREADHUB_OIDC_NAME,
                client_id=settings.THREADHUB_OIDC_CLIENT_ID,
                secret=settings.THREADHUB_OIDC_CLIENT_SECRET,
                settings={"server_url": settings.THREADHUB_OIDC_DISCOVERY_URL},
            )
        ]

    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> OAuth2Provider:
        from projects.accounts.provider import Provider  # wants the apps to be ready

        return Provider(request, app=self.get_app(request, provider, client_id))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return bool(settings.THREADHUB_OIDC_NEWCOMERS != REFUSED)

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Make the account of a newcomer, with the role that is configured for them."""
        user: User = super().save_user(request, sociallogin, form)
        roles.give(user, roles.Role(settings.THREADHUB_OIDC_NEWCOMERS))
        return user


def has_single_sign_on() -> bool:
    """Tell whether OpenID Connect is configured."""
    return bool(
        settings.THREADHUB_OIDC_DISCOVERY_URL
        and settings.THREADHUB_OIDC_CLIENT_ID
        and settings.THREADHUB_OIDC_CLIENT_SECRET
    )
