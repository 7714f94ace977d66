"""The forms of the public pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from projects.models import ApiToken, Project
from threads.exports import EXPORTERS, ExportOrder
from threads.exports.columns import COLUMNS, THREAD_COLUMNS
from threads.models import SavedSearch
from threads.models.saved_search import MAX_OF_ONE_OWNER

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ExportForm(forms.Form):
    """What to export, as what. Hidden fields say which threads: a search, or chosen ones."""

    q = forms.CharField(required=False, max_length=2_000, widget=forms.HiddenInput)
    thread = forms.CharField(required=False, max_length=100_000, widget=forms.HiddenInput)
    form = forms.ChoiceField(
        label=_("Format"),
        choices=[(key, exporter.label) for key, exporter in EXPORTERS.items()],
        initial="xlsx",
        widget=forms.RadioSelect,
    )
    rows = forms.ChoiceField(
        label=_("Rows of a spreadsheet"),
        choices=[("messages", _("A message a row")), ("threads", _("A thread a row"))],
        initial="messages",
        required=False,
        widget=forms.RadioSelect,
    )
    columns = forms.MultipleChoiceField(
        label=_("Columns of a spreadsheet"),
        choices=[(key, column.label) for key, column in COLUMNS.items()],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: the usual ones."),
    )
    masked = forms.BooleanField(
        label=_("Hide e-mail addresses, phone and card numbers, and API keys"), required=False
    )
    zipped = forms.BooleanField(
        label=_("As a ZIP with a manifest; documents one file a thread"), required=False
    )

    def order(self, *, zone: str, must_mask: bool) -> ExportOrder:
        """Return what the valid form asks for. Columns that need messages go with them."""
        data: dict[str, Any] = self.cleaned_data
        per_message = data["rows"] != "threads"
        fit = COLUMNS if per_message else {column.key for column in THREAD_COLUMNS}
        return ExportOrder(
            form=data["form"],
            query=data["q"],
            thread_ids=tuple(part for part in data["thread"].split(",") if part),
            per_message=per_message,
            columns=tuple(key for key in data["columns"] if key in fit),
            masked=data["masked"] or must_mask,
            zipped=data["zipped"],
            zone=zone,
        )


class SavedSearchForm(forms.ModelForm):
    """A query to keep. Its project may be any that the owner can read."""

    class Meta:
        model = SavedSearch
        fields = ("name", "query", "sharing", "project", "notify")

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.owner = self.owner = owner
        visible = Project.objects.visible_to(owner).order_by("name", "pk")
        project: Any = self.fields["project"]
        project.queryset = visible
        project.empty_label = _("no project")
        for name in ("sharing", "notify"):
            self.fields[name].required = False

    def clean_name(self) -> str:
        return " ".join(self.cleaned_data["name"].split())

    def clean_sharing(self) -> str:
        return self.cleaned_data["sharing"] or SavedSearch.Sharing.NOBODY

    def clean_notify(self) -> str:
        notify: str = self.cleaned_data["notify"] or SavedSearch.Notify.NEVER
        if notify != SavedSearch.Notify.NEVER and not self.owner.email:
            raise forms.ValidationError(_("Your account has no e-mail address."))
        return notify

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        is_of_project = given.get("sharing") == SavedSearch.Sharing.PROJECT
        if not is_of_project:
            given["project"] = None
        elif not given.get("project") and "project" not in self.errors:
            self.add_error("project", _("Choose the project whose readers may see it."))
        kept = SavedSearch.objects.filter(owner=self.owner).count()
        if self.instance.pk is None and kept >= MAX_OF_ONE_OWNER:
            most = _("You have %(count)d saved searches; delete one first.")
            raise forms.ValidationError(most % {"count": MAX_OF_ONE_OWNER})
        return given


class ShareForm(forms.Form):
    """A new link to a thread."""

    note = forms.CharField(label=_("For whom"), max_length=120, required=False)
    days = forms.ChoiceField(
        label=_("Valid for"),
        choices=[("1", _("a day")), ("7", _("a week")), ("30", _("30 days")), ("90", _("90 days"))],
        initial="7",
        widget=forms.Select(attrs={"class": "field"}),
    )


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(label=_("What for"), max_length=80)
    scopes = forms.MultipleChoiceField(
        label=_("It may"),
        choices=ApiToken.Scope.choices,
        initial=[ApiToken.Scope.READ],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.ChoiceField(
        label=_("Valid for"),
        choices=[
            ("7", _("a week")),
            ("30", _("30 days")),
            ("90", _("90 days")),
            ("365", _("a year")),
        ],
        initial="90",
        widget=forms.Select(attrs={"class": "field"}),
    )
