"""What somebody asked to export, and making it: the same from a page, a command and a worker."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from projects.models import Project, SiteSettings
from threadhub.lib import audit
from threads.exports.base import Exporter, ExportError, Options
from threads.exports.columns import chosen
from threads.exports.covering import cover_for
from threads.exports.files import MadeFile, make_file
from threads.exports.formats import EXPORTERS
from threads.exports.selection import chosen_threads, found_threads
from threads.models import Thread
from threads.search.query import editing, parse

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

# What a request may make while somebody waits: about a second.
AT_ONCE_MESSAGES = 2_000
AT_ONCE_PDF_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What somebody asked to export. Kept as JSON with the job: plain values only.

    :param query: a search; used when no ids are given.
    :param thread_ids: short ids of threads that were chosen one by one.
    :param masked: hide addresses, numbers and keys.
    :param zipped: a ZIP with a manifest, one file a thread where the format has one.
    :param zone: name of the time zone that times are shown in.
    """

    form: str
    query: str = ""
    thread_ids: tuple[str, ...] = ()
    per_message: bool = True
    columns: tuple[str, ...] = ()
    masked: bool = False
    zipped: bool = False
    zone: str = "UTC"
    language: str = "en"

    @property
    def exporter(self) -> Exporter:
        """:raises ExportError: for a format that is none."""
        try:
            return EXPORTERS[self.form]
        except KeyError:
            known = ", ".join(EXPORTERS)
            raise ExportError(_("The format is one of: %(known)s.") % {"known": known}) from None

    @property
    def time_zone(self) -> tzinfo:
        try:
            return zoneinfo.ZoneInfo(self.zone)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            return UTC

    @property
    def title(self) -> str:
        """What documents call themselves: the archive's name, and the query."""
        name = SiteSettings.current().name
        return f"{name} · {self.query}"[:200] if self.query else name

    @property
    def extension(self) -> str:
        return "zip" if self.zipped else self.exporter.extension

    @property
    def content_type(self) -> str:
        return "application/zip" if self.zipped else self.exporter.content_type

    def options(self) -> Options:
        return Options(
            per_message=self.per_message,
            columns=self.columns,
            masked=self.masked,
            zone=self.time_zone,
            title=self.title,
        )

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> ExportOrder:
        values = {name: given[name] for name in cls.__slots__ if name in given}
        for name in ("thread_ids", "columns"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)

    def check(self) -> None:
        """:raises ExportError: when the format or a column is none."""
        self.exporter  # noqa: B018 - raises
        try:
            chosen(self.columns, per_message=self.per_message)
        except ValueError as error:
            raise ExportError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Selected:
    """The threads that an order comes to, and how many messages they have."""

    thread_ids: list[int]
    message_count: int

    def may_be_made_at_once(self, order: ExportOrder) -> bool:
        most = AT_ONCE_PDF_MESSAGES if order.form == "pdf" else AT_ONCE_MESSAGES
        return self.message_count <= most


def select(
    order: ExportOrder, *, within: QuerySet[Project], now: datetime, allow_scans: bool
) -> Selected:
    """Return what the order comes to in the projects of `within`, and in nothing else.

    `within` is the permission: give `Project.objects.usable_by(user)`.
    """
    if order.thread_ids:
        ids = chosen_threads(order.thread_ids, within=within)
    else:
        ids = found_threads(
            order.query, within=within, now=now, zone=order.time_zone, allow_scans=allow_scans
        )
    total = 0
    for start in range(0, len(ids), 10_000):
        part = Thread.objects.filter(pk__in=ids[start : start + 10_000])
        total += part.aggregate(items=Sum("item_count"))["items"] or 0
    return Selected(ids, total)


def _manifest(
    order: ExportOrder, *, by: User | AnonymousUser | None, now: datetime
) -> dict[str, Any]:
    """Return what manifest.json says about who asked for what."""
    who = "system" if by is None else by.get_username() or "visitor"
    query = parse(order.query, now=now, zone=order.time_zone)
    return {
        "product": "ThreadHub",
        "exported_by": who,
        "query": order.query,
        "filters": [chip.text for chip in editing.chips(query) if chip.field],
        "thread_ids": list(order.thread_ids),
        "format": order.form,
        "rows": "messages" if order.per_message else "threads",
        "columns": list(order.columns),
        "masked": order.masked,
        "time_zone": order.zone,
    }


def _projects_of(selected: Selected) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(selected.thread_ids), 10_000):
        part = Thread.objects.filter(pk__in=selected.thread_ids[start : start + 10_000])
        found |= set(part.order_by().values_list("project", flat=True).distinct())
    return found


def make(
    order: ExportOrder,
    path: Path,
    selected: Selected,
    *,
    by: User | AnonymousUser | None,
    now: datetime,
    ip: str = "",
    progress: Callable[[int], bool] = lambda _done: True,
) -> MadeFile:
    """Write the export into `path` and put it on the audit log.

    :param selected: what `select` gave for this order.
    :param by: who asked; None is the system. Masked if one of its projects is masked for them.
    :param progress: called with the number of threads done; False stops.
    :raises ExportError: when there is nothing to export, or the format cannot take it.
    :raises ExportCancelled: when progress said so.
    """
    order.check()
    if not selected.thread_ids:
        raise ExportError(_("Nothing matches, so there is nothing to export."))
    if not order.masked and cover_for(by).hides_any(_projects_of(selected)):
        order = replace(order, masked=True)
    made = make_file(
        order.exporter,
        selected.thread_ids,
        path,
        order.options(),
        manifest=_manifest(order, by=by, now=now),
        now=now,
        zipped=order.zipped,
        progress=progress,
    )
    # A query says which threads; of those that were chosen one by one nothing else does.
    which: dict[str, Any] = {"thread_ids": list(order.thread_ids)} if order.thread_ids else {}
    audit.record(
        action="export",
        actor=by,
        ip=ip,
        format=order.form,
        query=order.query,
        threads=made.threads,
        messages=made.messages,
        masked=order.masked,
        **which,
    )
    return made
