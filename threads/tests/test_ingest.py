"""From an importer's items to the archive: in bundles, and nothing stops the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from projects.models import Project
from threads.archive import ImportReport, ingest
from threads.archive.base import BATCH
from threads.imports import ImportedThread, Place, Problem
from threads.models import Message, Thread
from threads.sources import RemoteMessage, RemoteThread
from threads.tests.factories import NOW, make_project

pytestmark = pytest.mark.django_db


def make_item(
    number: int, *, identity: str = "", size: int = 2, tokens: int | None = None, raw: str = "{}"
) -> ImportedThread:
    """Make the n-th thread of a file; its messages are a second apart."""
    began_at = NOW - timedelta(hours=number)
    messages = tuple(
        RemoteMessage(
            f"m{each}",
            "user",
            f"message {each}",
            created_at=began_at + timedelta(seconds=each),
            input_tokens=tokens,
            raw=raw,
        )
        for each in range(size)
    )
    return ImportedThread(
        Place(number, 10 * number), RemoteThread(identity or f"conv_{number}"), messages
    )


def bring(
    items: Iterable[ImportedThread | Problem], project: Project, *, is_dry_run: bool = False
) -> ImportReport:
    report = ImportReport(is_dry_run=is_dry_run)
    ingest(items, project=project, now=NOW, report=report)
    return report


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_it_names_a_thread_that_the_database_refuses_and_stores_those_beside_it(
    is_dry_run: bool,
) -> None:
    items = [make_item(1), make_item(2, tokens=2**70), make_item(3, identity="x" * 201)]

    report = bring([*items, make_item(4)], make_project(), is_dry_run=is_dry_run)

    assert (report.threads_new, report.messages_new) == (2, 4)
    assert sorted(problem["line"] for problem in report.problems) == [2, 3]
    stored = set(Thread.objects.values_list("external_id", flat=True))
    assert stored == (set() if is_dry_run else {"conv_1", "conv_4"})


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_it_recognises_a_thread_that_the_file_names_again(is_dry_run: bool) -> None:
    items = [make_item(1), make_item(2), make_item(1, size=3), make_item(2)]

    report = bring(items, make_project(), is_dry_run=is_dry_run)

    assert (report.threads_new, report.threads_changed, report.threads_unchanged) == (2, 1, 1)
    assert report.messages_new == 5


def test_it_stores_threads_that_are_longer_than_a_transaction() -> None:
    items = [make_item(1), make_item(2, size=2 * BATCH + 7), make_item(3)]

    report = bring(items, make_project())

    assert (report.threads_new, report.messages_new) == (3, 2 * BATCH + 11)
    long = Thread.objects.get(external_id="conv_2")
    positions = Message.objects.filter(thread=long).order_by("position")
    assert [row.remote_id for row in positions] == [f"m{each}" for each in range(2 * BATCH + 7)]


@pytest.mark.parametrize("is_dry_run", [False, True])
@pytest.mark.parametrize(("size", "raw"), [(100, "{}"), (2, "x" * 1_000_000)])
def test_it_holds_no_more_of_a_file_than_it_writes_at_once(
    is_dry_run: bool, size: int, raw: str
) -> None:
    read = stored = most = 0

    def items() -> Iterator[ImportedThread]:
        nonlocal read, most
        for number in range(1, 21):
            read += 1
            most = max(most, read - stored)
            yield make_item(number, size=size, raw=raw)

    def keep_going(place: Place) -> bool:
        nonlocal stored
        stored = place.line
        return True

    report = ImportReport(is_dry_run=is_dry_run)
    ingest(items(), project=make_project(), now=NOW, report=report, keep_going=keep_going)

    assert report.threads_new == 20
    if not is_dry_run:  # of a rehearsal the place is told when it is undone
        assert most <= 6


def test_it_tells_the_place_behind_what_is_committed_and_goes_on_there() -> None:
    project = make_project()
    items: list[ImportedThread | Problem] = [make_item(1, size=BATCH), Problem(Place(2, 20), "No.")]
    items += [make_item(3), make_item(4)]
    places: list[Place] = []

    def stop(place: Place) -> bool:
        places.append(place)
        return False

    report = ImportReport()
    is_end = ingest(items, project=project, now=NOW, report=report, keep_going=stop)

    assert (is_end, places) == (False, [Place(1, 10)])
    assert (report.threads_new, report.problem_count) == (1, 0)
    assert Thread.objects.count() == 1

    rest = [item for item in items if item.place.line > places[0].line]
    assert ingest(rest, project=project, now=NOW, report=report)
    assert (report.threads_new, report.problem_count) == (3, 1)


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_it_calls_a_thread_changed_of_which_only_the_title_or_the_tags_are_new(
    is_dry_run: bool,
) -> None:
    project = make_project()
    bring([make_item(1), make_item(2), make_item(3)], project)
    titled = replace(make_item(1), thread=RemoteThread("conv_1", title="Parcel"))
    tagged = replace(make_item(2), thread=RemoteThread("conv_2", tags=("late",)))

    report = bring([titled, tagged, make_item(3)], project, is_dry_run=is_dry_run)

    assert (report.threads_changed, report.threads_unchanged) == (2, 1)
    assert report.threads[0] == {
        "line": 1,
        "id": "conv_1",
        "outcome": "changed",
        "title": "Parcel",
    }
    if not is_dry_run:
        assert bring([titled, tagged], project).threads_changed == 0


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_it_names_a_thread_with_a_message_that_is_too_long(is_dry_run: bool) -> None:
    long = RemoteMessage("m1", "user", "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 2_800_000)
    pictured = RemoteMessage("m1", "user", "", raw="x" * 19_000_000)
    items = [
        make_item(1),
        ImportedThread(Place(2), RemoteThread("long"), (long,)),
        ImportedThread(Place(3), RemoteThread("pictured"), (pictured,)),
        make_item(4),
    ]

    report = bring(items, make_project(), is_dry_run=is_dry_run)

    assert report.threads_new == 2
    assert [(each["line"], each["message"][:21]) for each in report.problems] == [
        (2, "Message 1 is too long"),
        (3, "Message 1 is too long"),
    ]


def test_it_stores_long_messages_one_by_one() -> None:
    project = make_project()
    texts = [f"{number} {'long ' * 500_000}" for number in range(3)]
    said = tuple(
        RemoteMessage(f"m{number}", "user", text, raw="{}") for number, text in enumerate(texts)
    )

    bring([ImportedThread(Place(1), RemoteThread("conv_1"), said)], project)

    assert list(Message.objects.order_by("position").values_list("text", flat=True)) == texts
