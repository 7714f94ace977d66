"""The console's forms for projects and connections."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.crypto import SecretError
from projects.models import Connection, Project, Tag
from projects.models.project import VIEWERS

# What people run, offered while they type. Any other address works as well.
BASE_URLS = (
    ("https://api.openai.com/v1", _("OpenAI")),
    ("https://eu.api.openai.com/v1", _("OpenAI, data kept in Europe")),
    ("https://RESOURCE.openai.azure.com/openai/v1", _("Azure OpenAI")),
    ("http://127.0.0.1:8000/v1", _("vLLM on this machine")),
    ("http://127.0.0.1:11434/v1", _("Ollama on this machine")),
    ("http://127.0.0.1:1234/v1", _("LM Studio on this machine")),
)


class TagsField(forms.CharField):
    """Tags as words between commas; new ones are made on saving.

    A list to choose from would show one project's words to the owners of another.
    """

    widget = forms.TextInput(attrs={"class": "vTextField"})

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("label", _("Tags"))
        kwargs.setdefault("help_text", _("Words, separated by commas."))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return ", ".join(sorted(str(tag) for tag in value))
        return value

    def clean(self, value: Any) -> list[str]:
        """Return the words, each once.

        :raises ValidationError: when one is longer than a tag may be.
        """
        text = super().clean(value)
        words = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
        if any(len(word) > 60 for word in words):
            raise ValidationError(gettext("A tag has at most 60 characters."))
        return words

    def has_changed(self, initial: Any, data: Any) -> bool:
        before = {str(tag) for tag in initial or []}
        return before != {word.strip() for word in str(data or "").split(",") if word.strip()}

    @staticmethod
    def save(words: list[str]) -> list[Tag]:
        """Return the tags named `words`, made where they were not there; two queries."""
        Tag.objects.bulk_create([Tag(name=word) for word in words], ignore_conflicts=True)
        return list(Tag.objects.filter(name__in=words))


class TaggedForm(forms.ModelForm):
    """A form whose row has tags; they are written with the other relations."""

    tags = TagsField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "tags" in self.fields and self.instance.pk:
            self.initial["tags"] = list(self.instance.tags.all())

    def clean_tags(self) -> list[Tag]:
        return TagsField.save(self.cleaned_data["tags"])


class ProjectForm(TaggedForm):
    editor: User | None = None  # set when an owner edits who is no administrator
    # Programs that do not send it overwrite whatever is there.
    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Project
        fields = (
            *("name", "slug", "description", "tags", "visibility", "owners", "members"),
            *("masking", "retention_days", "is_held", "allows_visitor_fresh_search"),
        )
        widgets = {
            "description": forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
            "visibility": forms.RadioSelect(attrs={"class": "radiolist"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_version"] = self.instance.version

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        seen = cleaned.get("seen_version")
        if seen is None or not self.instance.pk:
            return cleaned
        with transaction.atomic():  # held until the console's own transaction ends
            rows = Project.objects.select_for_update().filter(pk=self.instance.pk)
            stored = rows.values_list("version", flat=True).first()
        if stored is not None and stored != seen:
            raise ValidationError(self._changed_meanwhile())
        return cleaned

    def _changed_meanwhile(self) -> str:
        history = LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(Project), object_id=str(self.instance.pk)
        )
        last = history.select_related("user").order_by("-action_time", "-pk").first()
        who = gettext("Somebody") if last is None else last.user.get_username()
        text = gettext(
            "%s has changed this project since you opened it. Nothing was saved: open the page "
            "again, look at what is new, and make your change there."
        )
        return text % who

    def clean_owners(self) -> QuerySet[User]:
        owners: QuerySet[User] = self.cleaned_data["owners"]
        editor = self.editor
        if self.instance.pk and editor and not owners.filter(pk=editor.pk).exists():
            raise ValidationError(
                gettext("You would lose this project. Let another owner take you off.")
            )
        if viewers := owners.filter(groups__name=VIEWERS):
            names = ", ".join(viewer.get_username() for viewer in viewers)
            raise ValidationError(gettext("Viewers own no project: %s") % names)
        return owners


class PresetURLInput(forms.URLInput):
    """An address field that offers well-known addresses."""

    template_name = "admin/widgets/preset_url.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["presets"] = BASE_URLS
        context["list_id"] = f"{context['widget']['attrs'].get('id', name)}_presets"
        context["widget"]["attrs"]["list"] = context["list_id"]
        return context


class ConnectionForm(forms.ModelForm):
    """The key goes in and never comes out: the field is empty each time it is shown."""

    api_key = forms.CharField(
        label=_("API key"),
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "new-password", "class": "vTextField"}
        ),
    )
    removes_key = forms.BooleanField(label=_("Remove the stored key"), required=False)

    class Meta:
        model = Connection
        fields = (
            *("project", "name", "store", "base_url", "azure_endpoint", "azure_api_version"),
            *("is_enabled", "calls_per_minute", "calls_per_day"),
        )
        widgets = {"base_url": PresetURLInput(attrs={"class": "vURLField"})}
        labels = {"calls_per_minute": _("Calls per minute, at most")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "api_key" not in self.fields:
            return
        if self.instance.has_key:
            self.fields["api_key"].help_text = gettext(
                "Stored, ends with …%(ending)s. Leave empty to keep it."
            ) % {"ending": self.instance.key_ending or "????"}
        else:
            self.fields["api_key"].help_text = gettext(
                "Stored encrypted and never shown again. Servers without keys need none."
            )
            del self.fields["removes_key"]

    def clean_api_key(self) -> str:
        key = str(self.cleaned_data["api_key"] or "").strip()
        if any(character.isspace() or not character.isprintable() for character in key):
            raise ValidationError(gettext("A key has no spaces or line breaks."))
        if not key.isascii():
            raise ValidationError(gettext("A key has only ASCII characters."))
        return key

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("azure_endpoint") and cleaned.get("base_url"):
            self.add_error("base_url", gettext("Give a base URL or an Azure endpoint, not both."))
        if cleaned.get("azure_endpoint") and not cleaned.get("azure_api_version"):
            self.add_error("azure_api_version", gettext("An Azure endpoint needs its API version."))
        # Sealed here and not on saving, so that a missing master key is said at the field.
        key = cleaned.get("api_key", "")
        if not self.errors:
            try:
                if key or cleaned.get("removes_key"):
                    self.instance.set_key(key)
            except SecretError as error:
                self.add_error("api_key", str(error))
        return {name: value for name, value in cleaned.items() if name != "api_key"}

    @property
    def key_was_changed(self) -> bool:
        return "api_key" in self.changed_data or "removes_key" in self.changed_data
