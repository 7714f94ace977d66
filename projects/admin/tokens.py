"""The console's page for API tokens: whose they are, what they may, when they were used; revoke."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from projects.admin.access import Audited
from projects.admin.display import badge, moment, until
from projects.admin.people import AdministratorsOnly
from projects.models import ApiToken


@admin.register(ApiToken)
class ApiTokenAdmin(AdministratorsOnly, Audited):
    list_display = ("name", "user", "prefix", "may", "state", "used", "expires")
    list_select_related = ("user",)
    list_filter = ("expires_at", "revoked_at")
    search_fields = ("name", "prefix", "user__username")
    search_help_text = _("Name, beginning or owner")
    ordering = ("-created_at", "-pk")
    actions = ("revoke",)
    fields = readonly_fields = ("name", "user", "prefix", "may", "state", "used", "expires")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # only the owner ever sees a token, when it is made

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # nothing of it can be changed; the action takes its power away

    @admin.display(description=_("may"))
    def may(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description=_("state"))
    def state(self, token: ApiToken) -> str:
        if token.revoked_at is not None:
            return badge("quiet", str(_("Revoked")))
        if not token.is_valid(timezone.now()):
            return badge("warn", str(_("Expired")))
        return badge("ok", str(_("Valid")))

    @admin.display(description=_("last used"), ordering="last_used_at")
    def used(self, token: ApiToken) -> str:
        return moment(token.last_used_at)

    @admin.display(description=_("expires"), ordering="expires_at")
    def expires(self, token: ApiToken) -> str:
        return until(token.expires_at)

    @admin.action(description=_("Revoke"))
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        count = 0
        for token in tokens:
            if token.revoke(timezone.now()):
                self._record(request, token, "revoke")
                count += 1
        text = ngettext("%(count)d token revoked.", "%(count)d tokens revoked.", count)
        self.message_user(request, text % {"count": count})
