"""The forms of the public pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from threads.exports import EXPORTERS, ExportOrder
from threads.exports.columns import COLUMNS, THREAD_COLUMNS


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
