"""The console's pages for who misuses ThreadHub: offenders, bans, logins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from monitoring.actions import Refused, ban, check_ban, lift_ban
from monitoring.models import Offence, RequestBan
from projects.admin.access import Untouched, account_of
from projects.admin.display import badge, moment, until
from projects.admin.people import AdministratorsOnly
from projects.models import SiteSettings
from threadhub.lib import networks
from threadhub.lib.http import client_ip

_MOST_OFFENDERS = 200  # on the page; more would be a matter for a firewall
_DAY_MINUTES = 1_440
_LENGTHS = [
    (15, _("15 minutes")),
    (60, _("An hour")),
    (_DAY_MINUTES, _("A day")),
    (7 * _DAY_MINUTES, _("A week")),
    (30 * _DAY_MINUTES, _("30 days")),
    (0, _("For ever")),
]


class BanForm(forms.ModelForm):
    """What a ban by hand needs. It refuses what would hit the administrator or this machine."""

    own_address = ""  # set for each request
    lasts = forms.TypedChoiceField(
        label=_("lasts"), choices=_LENGTHS, coerce=int, initial=_DAY_MINUTES
    )

    class Meta:
        model = RequestBan
        fields = ("network", "reason")
        help_texts = {"network": _("192.0.2.7, 192.0.2.0/24, 2001:db8::/64")}

    def clean_network(self) -> str:
        text = self.cleaned_data["network"]
        try:
            network = networks.network_of(text)
            check_ban(network, own_address=self.own_address)
        except ValueError:
            raise forms.ValidationError(
                gettext("“%(line)s” is no address and no network."), params={"line": text}
            ) from None
        except Refused as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
        return networks.written(network)

    def validate_constraints(self) -> None:
        """Leave it to `ban`, which replaces an earlier one."""


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("standing", _("Standing")), ("ended", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        standing = RequestBan.objects.standing(timezone.now()).values("pk")
        match self.value():
            case "standing":
                return queryset.filter(pk__in=standing)
            case "ended":
                return queryset.exclude(pk__in=standing)
        return queryset


@admin.register(RequestBan)
class RequestBanAdmin(AdministratorsOnly):
    list_display = ("network", "state", "reason", "author", "since", "expires")
    list_select_related = ("created_by",)
    list_filter = (StateFilter, "is_automatic", "created_at")
    search_fields = ("network", "reason")
    search_help_text = _("Address or reason")
    ordering = ("-created_at", "-pk")
    show_full_result_count = False
    actions = ("lift",)
    form = BanForm

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.own_address = client_ip(request)
        return form

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("network", "lasts", "reason")
        return ("network", "state", "reason", "author", "since", "expires")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else self.get_fields(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"network": request.GET.get("network", "")}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a ban is lifted; that it was there stays on record

    def save_model(self, request: HttpRequest, obj: RequestBan, form: Any, change: bool) -> None:
        if change:
            return
        now, minutes = timezone.now(), form.cleaned_data["lasts"]
        made = ban(
            networks.network_of(obj.network),
            by=account_of(request),
            now=now,
            until=now + timedelta(minutes=minutes) if minutes else None,
            reason=obj.reason,
            own_address=client_ip(request),
        )
        obj.pk = made.pk

    @admin.display(description=_("state"))
    def state(self, row: RequestBan) -> str:
        if row.is_standing(timezone.now()):
            return badge("error", gettext("Banned"))
        is_over = row.lifted_at is None or row.lifted_at == row.expires_at
        return badge("quiet", gettext("Expired") if is_over else gettext("Lifted"))

    @admin.display(description=_("banned by"), ordering="created_by")
    def author(self, row: RequestBan) -> str:
        if row.is_automatic:
            return gettext("ThreadHub itself")
        return row.created_by.get_username() if row.created_by else "—"

    @admin.display(description=_("since"), ordering="created_at")
    def since(self, row: RequestBan) -> str:
        return moment(row.created_at)

    @admin.display(description=_("until"), ordering="expires_at")
    def expires(self, row: RequestBan) -> str:
        if row.lifted_at is not None:
            return moment(row.lifted_at)
        if row.expires_at is None:
            return gettext("for ever")
        is_ahead = row.expires_at > timezone.now()
        return until(row.expires_at) if is_ahead else moment(row.expires_at)

    @admin.action(description=_("Lift: let requests from there in again"))
    def lift(self, request: HttpRequest, rows: QuerySet[RequestBan]) -> None:
        count = sum(lift_ban(row, by=account_of(request), now=timezone.now()) for row in rows)
        text = ngettext("%(count)d ban lifted.", "%(count)d bans lifted.", count)
        self.message_user(request, text % {"count": count})


@admin.register(Offence)
class OffenceAdmin(Untouched, AdministratorsOnly):
    """One page: the addresses by what they did of late, each with a button to ban it."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the offenders. A POST with an address bans that for a day."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self._ban(request, request.POST.get("address", ""))
            return redirect(reverse("admin:monitoring_offence_changelist"))
        now = timezone.now()
        standing = {row.network: row for row in RequestBan.objects.standing(now)}
        offenders = Offence.objects.offenders(now, most=_MOST_OFFENDERS)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Offenders"),
            "offenders": [(one, standing.get(one.address)) for one in offenders],
            "is_automatic": SiteSettings.current().bans_automatically,
        }
        return render(request, "admin/monitoring/offenders.html", context)

    def _ban(self, request: HttpRequest, address: str) -> None:
        now = timezone.now()
        try:
            made = ban(
                networks.network_of(address),
                by=account_of(request),
                now=now,
                until=now + timedelta(minutes=_DAY_MINUTES),
                reason=gettext("From the page of offenders"),
                own_address=client_ip(request),
            )
        except (ValueError, Refused) as problem:
            is_refusal = isinstance(problem, Refused)
            text = str(problem) if is_refusal else gettext("This is no address.")
            self.message_user(request, text, messages.ERROR)
        else:
            text = gettext("{network} is banned for a day.").format(network=made)
            self.message_user(request, text, messages.SUCCESS)
