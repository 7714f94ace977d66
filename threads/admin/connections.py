"""The console's page for connections.

It lives here and not with the project's pages because testing a connection means to call its
store, which the archive does and projects know nothing of.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import Audited, Managed, ProjectFilter, account_of, user_of
from projects.admin.display import UNKNOWN, connection_badge, moment
from projects.forms import ConnectionForm
from projects.models import Connection
from threadhub.lib import audit
from threadhub.lib.http import client_ip
from threads import actions

# Another address or store may well answer otherwise than what was tested.
_RETEST_AFTER = frozenset({"store", "base_url", "azure_endpoint", "azure_api_version"})
_MOST_AT_ONCE = 5  # tests in one request; each may take as long as its server's time-out


def same_key(connection: Connection, request: HttpRequest) -> list[Connection]:
    """Return the user's other connections with the same key, found by its keyed hash."""
    if not connection.key_fingerprint:
        return []
    others = Connection.objects.managed_by(user_of(request)).exclude(pk=connection.pk)
    return list(
        others.filter(key_fingerprint=connection.key_fingerprint)
        .select_related("project")
        .order_by("pk")[:5]
    )


@admin.register(Connection)
class ConnectionAdmin(Audited, Managed):
    form = ConnectionForm
    list_display = ("label", "project", "store", "state_badge", "reason", "key", "checked")
    list_display_links = ("label",)
    list_filter = (("project", ProjectFilter), "store", "state", "is_enabled")
    list_select_related = ("project",)
    search_fields = ("name", "project__name", "base_url", "azure_endpoint")
    search_help_text = _("Name, project or address")
    ordering = ("project__name", "pk")
    list_per_page = 50
    autocomplete_fields = ("project",)
    actions = ("test_selected",)
    readonly_fields = ("state_badge", "reason", "checked", "key")

    def get_fieldsets(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        key_fields = ("api_key", "removes_key") if obj and obj.has_key else ("api_key",)
        fieldsets: list[Any] = [
            (None, {"fields": ("project", "name", "store")}),
            (_("Where it is"), {"fields": ("base_url", *key_fields)}),
            (
                _("Older Azure OpenAI addresses"),
                {
                    "classes": ("collapse",),
                    "fields": ("azure_endpoint", "azure_api_version"),
                    "description": _(
                        "Only for addresses that want an API version. The newer ones end with "
                        "/openai/v1 and are a base URL."
                    ),
                },
            ),
            (
                _("How much it may be asked"),
                {"fields": ("is_enabled", "calls_per_minute", "calls_per_day")},
            ),
            (
                _("Smart Refresh"),
                {
                    "fields": (
                        *("is_refreshed", "saves_calls"),
                        ("refresh_from_hour", "refresh_until_hour"),
                    )
                },
            ),
        ]
        if obj:
            fieldsets.insert(0, (_("State"), {"fields": ("state_badge", "reason", "checked")}))
        return fieldsets

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"calls_per_minute": 60, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            if _RETEST_AFTER.intersection(form.changed_data) and not form.key_was_changed:
                obj.state, obj.state_reason = Connection.State.UNTESTED, ""
            # Columns that the worker writes meanwhile are left as they are.
            own = {field.name for field in Connection._meta.concrete_fields}
            changed = own.intersection(form.changed_data) | {"updated_at"}
            if form.key_was_changed:
                changed |= {"sealed_key", "key_ending", "key_fingerprint"}
            if form.key_was_changed or _RETEST_AFTER.intersection(form.changed_data):
                changed |= {"state", "state_reason"}
            obj.save(update_fields=changed)
        else:
            super().save_model(request, obj, form, change)
        if form.key_was_changed:
            audit.record(
                action="connection.key",
                actor=user_of(request),
                target=obj,
                project_id=obj.project_id,
                ip=client_ip(request),
                is_set=obj.has_key,
                ends_with=obj.key_ending,
            )
            if not {"_test", "_continue"} & request.POST.keys():  # their page says it itself
                self._warn_of_same_key(request, obj)

    def _warn_of_same_key(self, request: HttpRequest, connection: Connection) -> None:
        if others := same_key(connection, request):
            names = ", ".join(f"{other} ({other.project})" for other in others)
            text = gettext("The same key is used by: %s. Its limits and its costs are shared.")
            messages.warning(request, text % names)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = kwargs.get("obj")
        if obj and request.method == "GET":
            self._warn_of_same_key(request, obj)
        return super().render_change_form(request, context, *args, **kwargs)

    def _test(self, request: HttpRequest, connection: Connection) -> None:
        sentence = actions.test_connection(connection, by=account_of(request))
        works = connection.state == Connection.State.WORKING
        level = messages.SUCCESS if works else messages.ERROR
        self.message_user(request, f"“{connection}”: {sentence}", level)

    def response_add(
        self, request: HttpRequest, obj: Connection, post_url_continue: str | None = None
    ) -> HttpResponse:
        if "_test" in request.POST:
            self._test(request, obj)
            return HttpResponseRedirect(reverse("admin:projects_connection_change", args=[obj.pk]))
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Connection) -> HttpResponse:
        if "_test" in request.POST:
            self._test(request, obj)
            return HttpResponseRedirect(request.path)
        return super().response_change(request, obj)

    @admin.action(description=_("Test the connection"))
    def test_selected(self, request: HttpRequest, queryset: Any) -> None:
        for connection in queryset.order_by("pk")[:_MOST_AT_ONCE]:
            self._test(request, connection)
        if queryset.count() > _MOST_AT_ONCE:
            text = gettext("Only the first %d were tested.") % _MOST_AT_ONCE
            messages.warning(request, text)

    @admin.display(description=_("connection"), ordering="name")
    def label(self, connection: Connection) -> str:
        return connection.name or connection.get_store_display()

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, connection: Connection) -> str:
        return connection_badge(connection)

    @admin.display(description=_("reason"))
    def reason(self, connection: Connection) -> str:
        return connection.state_reason or UNKNOWN

    @admin.display(description=_("key"))
    def key(self, connection: Connection) -> str:
        return f"…{connection.key_ending or '????'}" if connection.has_key else UNKNOWN

    @admin.display(description=_("last tested"), ordering="checked_at")
    def checked(self, connection: Connection) -> str | SafeString:
        return moment(connection.checked_at)
