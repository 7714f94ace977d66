"""Master keys change, get lost and come back; what is stored is never overwritten in between."""

from __future__ import annotations

import base64
import io

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries, Settings

from projects import rotation
from projects.checks import stored_keys_open
from projects.crypto import SecretBox, SecretError
from projects.models import Connection, Project

pytestmark = pytest.mark.django_db

OLD, NEW = (base64.b64encode(bytes(range(start, start + 32))).decode() for start in (0, 100))
OLD_ID, NEW_ID = SecretBox(OLD).key_id, SecretBox(NEW).key_id
API_KEY = "sk-proj-0123456789abcdefghij"


@pytest.fixture(autouse=True)
def _old_master_key(settings: Settings) -> None:
    settings.THREADHUB_ENCRYPTION_KEYS_FILE = ""
    settings.THREADHUB_ENCRYPTION_KEYS = OLD


def make_connection(key: str = API_KEY) -> Connection:
    project, _ = Project.objects.get_or_create(slug="p", defaults={"name": "P"})
    connection = Connection(project=project)
    connection.set_key(key)
    connection.save()
    return connection


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rotate_keys", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_it_seals_every_key_with_the_newest_master_key(settings: Settings) -> None:
    connections = [make_connection(f"{API_KEY}{number}") for number in range(3)]
    settings.THREADHUB_ENCRYPTION_KEYS = f"{NEW},{OLD}"

    said = run()

    settings.THREADHUB_ENCRYPTION_KEYS = NEW
    for number, connection in enumerate(connections):
        connection.refresh_from_db()
        assert connection.open_key() == f"{API_KEY}{number}"
    assert said.startswith(f"3 API key(s) sealed with the master key {NEW_ID}")
    assert "0 API key(s) sealed" in run()


def test_it_changes_nothing_in_a_dry_run(settings: Settings) -> None:
    before = make_connection().sealed_key
    settings.THREADHUB_ENCRYPTION_KEYS = f"{NEW},{OLD}"

    said = run("--dry-run")

    assert said.startswith("1 API key(s) would be sealed")
    assert Connection.objects.get().sealed_key == before


def test_it_keeps_a_key_that_was_entered_while_it_ran(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = make_connection()
    settings.THREADHUB_ENCRYPTION_KEYS = f"{NEW},{OLD}"
    reseal = Connection.reseal

    def reseal_late(self: Connection) -> bool:
        """Somebody enters another key between the reading of the row and its writing."""
        entered = Connection.objects.get(pk=self.pk)
        entered.set_key("sk-entered-meanwhile")
        entered.save()
        return reseal(self)

    monkeypatch.setattr(Connection, "reseal", reseal_late)

    run()

    connection.refresh_from_db()
    assert connection.open_key() == "sk-entered-meanwhile"


def test_it_goes_on_where_it_was_interrupted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        make_connection(f"{API_KEY}{number}")
    settings.THREADHUB_ENCRYPTION_KEYS = f"{NEW},{OLD}"

    def stop_at_two(count: int) -> None:
        if count == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation.rotate(progress=stop_at_two)
    half, _factors = rotation.sealed_count(NEW_ID)
    keys = [connection.open_key() for connection in rotation.sealed_connections()]
    said = run()

    assert half == 2
    assert keys == [f"{API_KEY}{number}" for number in range(4)]
    assert "2 API key(s) sealed" in said
    assert "2 had been already" in said


def test_it_forgets_a_master_key_only_when_nothing_needs_it(settings: Settings) -> None:
    make_connection()
    settings.THREADHUB_ENCRYPTION_KEYS = f"{NEW},{OLD}"

    with pytest.raises(CommandError, match="1 API key"):
        run("--forget", OLD_ID)
    run()

    assert "Nothing is sealed" in run("--forget", OLD_ID)
    with pytest.raises(CommandError, match="that seals"):
        run("--forget", NEW_ID)
    with pytest.raises(CommandError, match="No master key"):
        run("--forget", "12345678")


def test_it_pauses_what_a_lost_key_sealed_and_wakes_it_when_the_key_is_back(
    settings: Settings,
) -> None:
    connection = make_connection()
    sealed = connection.sealed_key
    settings.THREADHUB_ENCRYPTION_KEYS = NEW

    worse, better = rotation.note_readability()
    connection.refresh_from_db()

    assert (worse, better) == (1, 0)
    assert connection.state == Connection.State.UNREADABLE
    assert OLD_ID in connection.state_reason
    assert connection.sealed_key == sealed
    assert connection not in Connection.objects.usable(connection.created_at)

    settings.THREADHUB_ENCRYPTION_KEYS = f"{NEW},{OLD}"
    worse, better = rotation.note_readability()
    connection.refresh_from_db()

    assert (worse, better) == (0, 1)
    assert connection.state == Connection.State.UNTESTED
    assert connection.open_key() == API_KEY


def test_it_leaves_a_lost_key_alone_when_it_rotates(settings: Settings) -> None:
    lost = make_connection()
    settings.THREADHUB_ENCRYPTION_KEYS = NEW
    kept = make_connection()

    with pytest.raises(CommandError, match="1 API key"):
        run()

    assert Connection.objects.get(pk=lost.pk).sealed_key == lost.sealed_key
    assert Connection.objects.get(pk=lost.pk).state == Connection.State.UNREADABLE
    assert Connection.objects.get(pk=kept.pk).state == Connection.State.UNTESTED


def test_it_refuses_a_key_that_was_changed_or_moved(settings: Settings) -> None:
    connections = [make_connection(), make_connection("sk-other-0123456789")]
    first, second = connections
    Connection.objects.filter(pk=first.pk).update(sealed_key=second.sealed_key)
    changed = second.sealed_key[:-2] + ("AA" if not second.sealed_key.endswith("AA") else "BB")
    Connection.objects.filter(pk=second.pk).update(sealed_key=changed)
    settings.THREADHUB_ENCRYPTION_KEYS = f"{NEW},{OLD}"

    with pytest.raises(CommandError, match="2 API key"):
        run()

    assert Connection.objects.get(pk=first.pk).sealed_key == second.sealed_key
    assert Connection.objects.get(pk=second.pk).sealed_key == changed
    for connection in Connection.objects.all():
        with pytest.raises(SecretError):
            connection.open_key()


def test_it_warns_of_a_lost_master_key_by_its_id_and_starts(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _number in range(3):
        make_connection()
    settings.THREADHUB_ENCRYPTION_KEYS = NEW
    make_connection()

    with django_assert_num_queries(4):  # API keys, one row for each master key, second factors
        found = stored_keys_open(databases=["default"])

    assert [message.id for message in found] == ["threadhub.W011"]
    assert "3 stored API key(s)" in found[0].msg
    assert OLD_ID in found[0].msg
    assert found[0].level < checks.ERROR
    assert stored_keys_open() == []
