"""What administrators change while ThreadHub runs: one row, read through the shared cache."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from threadhub.lib.networks import networks_in

_KEY = "site-settings"
PAGE_SIZES = (20, 50, 100)  # threads on a page of results
_SECONDS = 30  # how long other processes may still see what was changed in the database by hand


class RateField(models.CharField):  # type: ignore[type-arg]
    """How often something may be asked for: "120/m", "5/10m"; empty is the built-in limit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 16)
        kwargs.setdefault("blank", True)
        kwargs.setdefault(
            "validators",
            [
                RegexValidator(
                    # At least a second, at most some days; 0 lets nothing through.
                    r"^[0-9]{1,6}/([1-9][0-9]{0,2})?[smhd]$",
                    _("Write how many in which time: 120/m, 5/10m, 1000/d."),
                )
            ],
        )
        super().__init__(*args, **kwargs)


def validate_networks(text: str) -> None:
    """Refuse a list with a line that is no address and no network."""
    try:
        networks_in(text)
    except ValueError as error:
        raise ValidationError(
            gettext("“%(line)s” is no address and no network."), params={"line": str(error)}
        ) from error


class SiteSettings(models.Model):
    """The one row; `current()` is how to read it, so that a request costs no query for it."""

    class CaptchaMode(models.TextChoices):
        ARITHMETIC = "arithmetic", _("Sums")
        TEXT = "text", _("Letters and digits")
        MATHS = "maths", _("Derivatives")

    class Masking(models.TextChoices):
        NOBODY = "nobody", _("Nobody")
        VISITORS = "visitors", _("Visitors")
        READERS = "readers", _("All who do not manage the project")

    class SecondFactor(models.TextChoices):
        OPTIONAL = "optional", _("Left to each account")
        ADMINISTRATORS = "administrators", _("Required of administrators")
        STAFF = "staff", _("Required of everybody who may open the console")

    second_factor = models.CharField(
        _("second factor"),
        max_length=14,
        choices=SecondFactor.choices,
        default=SecondFactor.OPTIONAL,
        help_text=_(
            "An app's codes, a passkey or a security key. Whoever lacks one is led to set it up."
        ),
    )
    session_hours = models.PositiveIntegerField(
        _("logged in for (hours)"),
        default=14 * 24,
        validators=[MinValueValidator(1), MaxValueValidator(365 * 24)],
        help_text=_("Then people log in again. They are told five minutes before."),
    )
    masking = models.CharField(
        _("masked for"),
        max_length=8,
        choices=Masking.choices,
        default=Masking.NOBODY,
        help_text=_(
            "They read [e-mail], [phone], [card …4242] and [key] on pages, in exports and through "
            "the API. A project may ask for more, not for less."
        ),
    )
    refreshes_automatically = models.BooleanField(
        _("Smart Refresh"),
        default=True,
        help_text=_("Off: no connection reads by itself; people still can."),
    )
    refresh_minutes = models.PositiveSmallIntegerField(
        _("rounds at most every (minutes)"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(1_440)],
        help_text=_("In a round each connection reads what is due, within its own limits."),
    )
    search_page_size = models.PositiveSmallIntegerField(
        _("threads on a page"),
        default=PAGE_SIZES[0],
        choices=[(size, str(size)) for size in PAGE_SIZES],
        help_text=_("For whoever has chosen no other number."),
    )
    counted_hits = models.PositiveIntegerField(
        _("hits that are counted"),
        default=1_000,
        validators=[MinValueValidator(100), MaxValueValidator(100_000)],
        help_text=_("More are told as “1,000+”. Counting further makes frequent words slower."),
    )
    facet_hits = models.PositiveIntegerField(
        _("hits that filters count"),
        default=1_000,
        validators=[MinValueValidator(100), MaxValueValidator(20_000)],
        help_text=_("The newest so many are spread over projects, tags, months and so on."),
    )
    suggests = models.BooleanField(
        _("suggestions"), default=True, help_text=_("How a query could go on, while it is typed.")
    )
    keep_trash_days = models.PositiveSmallIntegerField(
        _("trash (days)"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(3_650)],
        help_text=_("What lies in the trash for longer is deleted."),
    )
    keep_jobs_days = models.PositiveSmallIntegerField(
        _("ended jobs (days)"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(3_650)],
        help_text=_("With their reports. The audit log is kept for ever."),
    )
    keep_runs_days = models.PositiveSmallIntegerField(
        _("syncs' ledger (days)"),
        default=400,
        validators=[MinValueValidator(1), MaxValueValidator(3_650)],
        help_text=_("The dashboard draws a year of it at the most."),
    )
    default_language = models.CharField(
        _("language"),
        max_length=10,
        blank=True,
        choices=settings.LANGUAGES,
        help_text=_("For whoever has chosen none. Empty: what their browser asks for."),
    )
    site_name = models.CharField(
        _("name of this archive"),
        max_length=40,
        blank=True,
        help_text=_("Stands on every page instead of “ThreadHub”."),
    )
    announcement = models.CharField(
        _("announcement"),
        max_length=300,
        blank=True,
        help_text=_("Stands on top of every page, for everybody: maintenance, a contact."),
    )
    captcha_mode = models.CharField(
        _("questions"),
        max_length=10,
        choices=CaptchaMode.choices,
        default=CaptchaMode.ARITHMETIC,
        help_text=_("What visitors answer before a fresh search. A sound can be had instead."),
    )
    free_fresh_searches = models.PositiveSmallIntegerField(
        _("fresh searches without a question"),
        default=10,
        help_text=_("In a day, for each member. Visitors always answer one, staff never."),
    )
    fresh_search_calls = models.PositiveIntegerField(
        _("calls of a fresh search"),
        default=300,
        validators=[MaxValueValidator(100_000)],
        help_text=_("At most so many, for each connection; its own limits hold as well."),
    )
    largest_file_mb = models.PositiveIntegerField(
        _("largest file (MB)"),
        default=25,
        validators=[MinValueValidator(1), MaxValueValidator(1_000)],
        help_text=_("Images and files of messages that are larger are not fetched or kept."),
    )
    file_cache_mb = models.PositiveIntegerField(
        _("fetched files (MB)"),
        default=1_000,
        validators=[MinValueValidator(1)],
        help_text=_(
            "On this server's disk. Those that nobody has looked at for longest go first; they are "
            "fetched again when somebody does. What an import brought is not counted and stays."
        ),
    )
    bans_automatically = models.BooleanField(
        _("ban addresses by themselves"),
        default=True,
        help_text=_("Visitors only: whoever is signed in can be switched off instead."),
    )
    ban_window_minutes = models.PositiveSmallIntegerField(
        _("counted over so many minutes"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(1_440)],
    )
    ban_after_limits = models.PositiveIntegerField(
        _("after requests over a limit"), default=200, help_text=_("0: never for that.")
    )
    ban_after_answers = models.PositiveIntegerField(
        _("after wrong answers to questions"), default=20, help_text=_("0: never for that.")
    )
    ban_after_logins = models.PositiveIntegerField(
        _("after wrong passwords or tokens"), default=20, help_text=_("0: never for that.")
    )
    ban_minutes = models.PositiveIntegerField(
        _("minutes of a first ban"),
        default=15,
        validators=[MinValueValidator(1), MaxValueValidator(43_200)],
        help_text=_("Each further one within 30 days is four times as long, up to 30 days."),
    )
    never_banned = models.TextField(
        _("never banned"),
        blank=True,
        validators=[validate_networks],
        help_text=_("Addresses or networks, one a line: your office, your monitoring."),
    )
    rate_search = RateField(_("searches"))
    rate_read = RateField(_("threads read"))
    rate_suggest = RateField(_("suggestions while typing"))
    rate_poll = RateField(_("looks at running work"))
    rate_change = RateField(_("work started or stopped"))
    rate_fresh_search = RateField(_("fresh searches"))
    rate_captcha = RateField(_("questions and answers"))
    rate_export = RateField(_("exports"))
    rate_file = RateField(_("files"))
    rate_write = RateField(_("writes through the API"))
    rate_login = RateField(_("failed logins from an address"))
    rate_login_account = RateField(_("failed logins of an account"))

    class Meta:
        verbose_name = _("settings")
        verbose_name_plural = _("settings")
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="site_settings_are_one_row")]

    def __str__(self) -> str:
        return str(_("Settings"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)
        self.remember()

    @property
    def name(self) -> str:
        """The archive's own name, or that of the product."""
        return self.site_name or "ThreadHub"

    def changes_since(self, before: SiteSettings) -> list[str]:
        """Return what differs, each as "name: before → after", in the order of the page."""
        return [
            f"{field.name}: {getattr(before, field.attname)!s} → {getattr(self, field.attname)!s}"
            for field in _fields()
            if getattr(before, field.attname) != getattr(self, field.attname)
        ]

    def remember(self) -> None:
        """Let all processes see these settings from now on."""
        values = {field.attname: getattr(self, field.attname) for field in _fields()}
        cache.set(_KEY, values, _SECONDS)

    @classmethod
    def current(cls) -> SiteSettings:
        """Return the settings that hold now. One call to the cache; one query twice a minute."""
        known = cls.remembered()
        if known is None:
            known = cls.objects.filter(pk=1).first() or cls()
            known.remember()
        return known

    @classmethod
    def remembered(cls) -> SiteSettings | None:
        """Return the same without any query; None when nobody has read them lately."""
        known = cache.get(_KEY)
        if known is None or set(known) != {field.attname for field in _fields()}:
            return None
        return cls(**known)


def _fields() -> list[models.Field[Any, Any]]:
    return [field for field in SiteSettings._meta.concrete_fields if not field.primary_key]


def rate_of(name: str) -> str:
    """Return the rate of a limit: the administrators', or the one in the settings.

    :raises KeyError: when there is no limit of that name.
    """
    built_in: str = settings.THREADHUB_RATES[name]
    return getattr(SiteSettings.current(), f"rate_{name}", "") or built_in
