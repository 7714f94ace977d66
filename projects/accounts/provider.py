"""The OpenID Connect provider, as far as it is not trusted to keep to the standard."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount import app_settings
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider


class Provider(OpenIDConnectProvider):  # type: ignore[misc]
    def sociallogin_from_response(self, request: Any, response: Any) -> Any:
        """Return who logs in, from what the provider tells of them.

        :raises OAuth2Error: when that is no description of a person, which ends at the page for
            failed logins. Unchecked, "sub": null would be a person named None: the same for all.
        """
        told = response.get("userinfo") or response.get("id_token")
        subject = told.get("sub") if isinstance(told, dict) else None
        if isinstance(subject, int) and not isinstance(subject, bool):
            subject = str(subject)
        most = app_settings.UID_MAX_LENGTH
        if not isinstance(subject, str) or not (subject.isprintable() and 0 < len(subject) <= most):
            raise OAuth2Error("The provider does not say who logs in: no usable 'sub'.")
        return super().sociallogin_from_response(request, response)
