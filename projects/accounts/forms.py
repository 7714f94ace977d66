"""django-allauth's forms, with ThreadHub's limits before every guess."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as account_forms
from allauth.core import context
from allauth.mfa.base import forms as mfa_forms
from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from projects.accounts import sessions
from projects.accounts.adapters import refuse_while_locked


class LoginForm(account_forms.LoginForm):  # type: ignore[misc]
    """The name may also come as `username`, as programs send it that log in to Django's admin."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = kwargs.get("data")
        if given and "username" in given and "login" not in given:
            given = given.copy()
            given["login"] = given["username"]
            kwargs["data"] = given
        super().__init__(*args, **kwargs)
        # A link inside the field's description would be read out with the field.
        self.fields["password"].help_text = ""
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        response: HttpResponse = super().login(request, redirect_url)
        sessions.begin(request, now=timezone.now())  # allauth has set a time of its own
        return response


class CodeForm(mfa_forms.AuthenticateForm):  # type: ignore[misc]
    def clean_code(self) -> str:
        """Check a code of an app, or a recovery code.

        :raises ImmediateHttpResponse: after too many failures, before the code is looked at.
        """
        refuse_while_locked(context.request, self.user.get_username())
        code: str = super().clean_code()
        return code


class CodeAgainForm(mfa_forms.ReauthenticateForm):  # type: ignore[misc]
    def clean_code(self) -> str:
        """As `CodeForm` does, for somebody who is logged in."""
        refuse_while_locked(context.request, self.user.get_username())
        code: str = super().clean_code()
        return code


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("first_name", "last_name", "email")
        help_texts = {"email": _("For mails about saved searches, and for a forgotten password.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.has_usable_password():
            # Single sign-on says it; with another one, a forgotten password would be the way in.
            self.fields["email"].disabled = True
