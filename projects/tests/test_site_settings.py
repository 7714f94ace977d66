"""Limits and other settings change while ThreadHub runs, and hold at once."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.test import Client, RequestFactory

from monitoring.models import AuditEvent
from projects.models import SiteSettings
from projects.models.site import rate_of
from threadhub.lib.ratelimit import seconds_to_wait

pytestmark = pytest.mark.django_db


def test_it_has_a_field_for_every_limit() -> None:
    fields = {field.name for field in SiteSettings._meta.fields}

    assert {f"rate_{name}" for name in settings.THREADHUB_RATES} == {
        name for name in fields if name.startswith("rate_")
    }


def test_it_takes_the_built_in_limit_where_none_is_given() -> None:
    SiteSettings(rate_search="3/m").save()

    assert rate_of("search") == "3/m"
    assert rate_of("read") == settings.THREADHUB_RATES["read"]


def test_it_limits_as_was_saved_last() -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()

    SiteSettings(rate_search="1/h").save()
    passed = [seconds_to_wait(request, "search") is None for _ in range(2)]
    SiteSettings(rate_search="100/h").save()

    assert passed == [True, False]
    assert seconds_to_wait(request, "search") is None


def test_it_reads_the_row_once_for_many_requests(django_assert_num_queries: object) -> None:
    SiteSettings(free_fresh_searches=3).save()

    with django_assert_num_queries(0):  # type: ignore[operator]
        assert SiteSettings.current().free_fresh_searches == 3


def test_it_stays_one_row() -> None:
    SiteSettings(rate_search="3/m").save()
    SiteSettings(rate_search="4/m").save()

    assert SiteSettings.objects.get().rate_search == "4/m"


@pytest.mark.parametrize("rate", ["often", "10", "10/w", "-1/m", "10/0m", "1/m; 2"])
def test_it_refuses_what_is_no_rate(rate: str) -> None:
    with pytest.raises(ValidationError):
        SiteSettings(rate_search=rate).clean_fields()


def test_it_is_changed_in_the_console_and_on_record(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))

    page = client.get("/admin/projects/sitesettings/", follow=True)
    form = page.context["adminform"].form.initial
    form |= {"captcha_mode": "maths", "never_banned": "192.0.2.0/24"}
    client.post("/admin/projects/sitesettings/1/change/", form | {"rate_export": "7/h"})

    assert 'placeholder="120/m"' in page.content.decode()
    assert SiteSettings.current().captcha_mode == "maths"
    assert rate_of("export") == "7/h"
    event = AuditEvent.objects.get(action="sitesettings.change")
    assert "Exports" in event.details["fields"]


def test_it_names_the_line_that_is_no_network() -> None:
    settings_row = SiteSettings(never_banned="192.0.2.0/24\n2001:db8::/32\noffice")

    with pytest.raises(ValidationError, match="“office” is no address and no network"):
        settings_row.clean_fields()


def test_it_is_for_administrators_only(client: Client) -> None:
    client.force_login(User.objects.create_user("bob", is_staff=True))

    assert client.get("/admin/projects/sitesettings/1/change/").status_code in {302, 403}
    assert client.get("/admin/projects/sitesettings/").status_code in {302, 403}


def test_it_puts_on_record_what_held_before_and_after(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))
    page = client.get("/admin/projects/sitesettings/", follow=True)
    form = page.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    given = {name: value for name, value in values.items() if value not in (None, False)}

    client.post("/admin/projects/sitesettings/1/change/", given | {"keep_trash_days": 7})

    event = AuditEvent.objects.get(action="sitesettings.change")
    assert event.details["changes"] == ["keep_trash_days: 30 → 7"]
    assert SiteSettings.current().keep_trash_days == 7


def test_it_restores_the_defaults_after_showing_what_changes(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))
    SiteSettings(keep_trash_days=7, rate_search="3/m").save()

    asked = client.get("/admin/projects/sitesettings/restore/").content.decode()
    still = SiteSettings.current().keep_trash_days
    client.post("/admin/projects/sitesettings/restore/")

    assert "keep_trash_days: 7 → 30" in asked
    assert still == 7
    assert SiteSettings.current().keep_trash_days == 30
    assert rate_of("search") == settings.THREADHUB_RATES["search"]
    changes = AuditEvent.objects.get(action="sitesettings.restore").details["changes"]
    assert "rate_search: 3/m → " in changes


def test_it_lets_only_administrators_restore(client: Client) -> None:
    client.force_login(User.objects.create_user("bob", is_staff=True))

    assert client.post("/admin/projects/sitesettings/restore/").status_code == 403


def test_it_speaks_the_usual_language_to_who_has_chosen_none(client: Client) -> None:
    SiteSettings(default_language="zh-hant").save()

    page = client.get("/").content.decode()
    chosen = client.get("/", headers={"Cookie": f"{settings.LANGUAGE_COOKIE_NAME}=en"})

    assert '<html lang="zh-hant"' in page
    assert '<html lang="en"' in chosen.content.decode()


def test_it_announces_on_every_page(client: Client) -> None:
    SiteSettings(announcement="Away <b>tonight</b>").save()

    assert "Away &lt;b&gt;tonight&lt;/b&gt;" in client.get("/").content.decode()
    client.force_login(User.objects.create_superuser("ada"))
    assert "Away &lt;b&gt;tonight&lt;/b&gt;" in client.get("/admin/").content.decode()


def test_it_bears_the_name_of_the_archive_on_every_page(client: Client) -> None:
    before = client.get("/").content.decode()
    SiteSettings(site_name="Acme <archive>").save()

    after = client.get("/").content.decode()
    client.force_login(User.objects.create_superuser("ada"))

    assert "<span>ThreadHub</span>" in before
    assert "<span>Acme &lt;archive&gt;</span>" in after
    assert "<span>Acme &lt;archive&gt;</span>" in client.get("/admin/").content.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("search_page_size", 30),
        ("counted_hits", 99),
        ("counted_hits", 100_001),
        ("facet_hits", 20_001),
        ("refresh_minutes", 0),
        ("refresh_minutes", 1_441),
        ("captcha_mode", "riddles"),
    ],
)
def test_it_refuses_what_would_do_harm(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        SiteSettings(**{name: value}).clean_fields()


def test_it_shows_every_setting_on_the_page(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))

    form = client.get("/admin/projects/sitesettings/", follow=True).context["adminform"].form

    wanted = {field.name for field in SiteSettings._meta.fields if not field.primary_key}
    assert set(form.fields) == wanted
