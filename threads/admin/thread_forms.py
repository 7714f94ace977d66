"""What can be typed on the console's pages for threads."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.helpers import ActionForm
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.admin.widgets import QuickHiddenInput, QuickTextInput
from projects.forms import TaggedForm, TagsField
from projects.models import Connection
from threads.models import Thread


class ThreadForm(TaggedForm):
    class Meta:
        model = Thread
        fields = ("remark", "tags", "is_held", "is_refreshable")
        widgets = {"remark": forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"})}


class RowForm(TaggedForm):
    """The two fields that the list edits in place.

    Tags are no column of the table, so the list calls theirs after what it shows.
    """

    tags = None  # type: ignore[assignment]
    tag_words = TagsField(
        widget=QuickTextInput(attrs={"class": "th-remark", "aria-label": _("Tags")})
    )

    class Meta:
        model = Thread
        fields = ("remark",)
        widgets = {
            "id": QuickHiddenInput,
            "remark": QuickTextInput(attrs={"class": "th-remark", "aria-label": _("Remark")}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["tag_words"] = list(self.instance.tags.all())

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]
        if "tag_words" in self.changed_data:
            self.instance.tags.set(TagsField.save(self.cleaned_data["tag_words"]))


class ThreadActionForm(ActionForm):
    """What stands beside the choice of an action: the words for those that need some."""

    tags = TagsField(
        label=_("Tags:"),
        help_text="",
        widget=forms.TextInput(attrs={"placeholder": _("for Tag and Untag"), "size": 18}),
    )


class ConnectionField(forms.ModelChoiceField):
    def label_from_instance(self, connection: Any) -> str:
        """Name the project, too: many of them have a connection of the same name."""
        return f"{connection.project}: {connection.name or connection.get_store_display()}"


class AddThreadsForm(forms.Form):
    """Ids that people have from their own system, to be read from its store."""

    connection = ConnectionField(
        Connection.objects.none(),
        label=_("Connection"),
        help_text=_("Where the threads are. They go into its project."),
    )
    ids = forms.CharField(
        label=_("Thread ids"),
        max_length=500_000,
        widget=forms.Textarea(
            attrs={"rows": 10, "class": "vLargeTextField", "spellcheck": "false"}
        ),
        help_text=_("One a line, or separated by spaces or commas: conv_…, thread_…"),
    )

    def clean_ids(self) -> list[str]:
        words = self.cleaned_data["ids"].replace(",", " ").replace(";", " ").split()
        ids = list(dict.fromkeys(word.strip("\"'") for word in words))
        too_long = [word for word in ids if len(word) > 200]
        if too_long:
            raise forms.ValidationError(
                gettext("This is too long for an id: %s…") % too_long[0][:40]
            )
        return ids
