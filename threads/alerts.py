"""Saved searches that tell by themselves: mails about new hits, and who no longer wants them."""

from __future__ import annotations

import html
import logging
import re
import zoneinfo
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.db.models import Max
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from projects.models import Preferences, Project
from threads.exports.covering import cover_for
from threads.models import Message, SavedSearch
from threads.models.saved_search import SavedSearchQuerySet
from threads.search import HITS_SHOWN, find
from threads.search.query import parse
from threads.search.results import SearchPage, ThreadHits

logger = logging.getLogger(__name__)

THREADS_IN_A_MAIL = 20
_DAILY = timedelta(hours=23, minutes=55)  # a round that begins late must not shift the day
_AT_ONCE = timedelta(minutes=4)  # two rounds at once tell only once
_IN_A_ROUND = 500  # searches; the others wait for the next round, those told longest ago first
_SALT = "threads.alerts.unsubscribe"
_MARKS = re.compile(r"</?mark>")


def tell_of_new_hits() -> str:
    """Mail the owners of saved searches what is new in them; for the schedule."""
    now = timezone.now()
    due = SavedSearch.objects.to_tell(daily_before=now - _DAILY, at_once_before=now - _AT_ONCE)
    newest = newest_message()
    told = 0
    for saved in due.select_related("owner").order_by("checked_at", "pk")[:_IN_A_ROUND]:
        if not _claim(saved, now=now):
            continue  # another worker tells of it
        try:
            told += _tell(saved, now=now)
        except Exception:
            # One that fails must not keep the others from being told; it is tried again.
            logger.exception("Saved search %s could not be told about", saved.pk)
        else:
            _rows(saved).update(checked_message=max(newest, saved.checked_message))
    return _("%(count)d mails about new hits.") % {"count": told}


def newest_message() -> int:
    """Return the id of the newest message in the archive, 0 without any; one query."""
    return Message.objects.aggregate(newest=Max("pk"))["newest"] or 0


def new_hits(saved: SavedSearch, *, now: datetime) -> SearchPage:
    """Return what came since the owner was told, of what the owner may read now; newest first."""
    query = parse(saved.query, now=now, zone=timezone.get_default_timezone())
    return find(
        replace(query, sort="newest", group="thread"),
        within=Project.objects.visible_to(saved.owner),
        limit=THREADS_IN_A_MAIL,
        hits_shown=HITS_SHOWN,
        now=now,
        cover=cover_for(saved.owner).text,
        archived_after=saved.checked_message,
    )


def unsubscribe_path(saved: SavedSearch) -> str:
    """Return the address that stops the mails; it needs no login and does nothing else."""
    token = signing.dumps([saved.pk, saved.owner_id], salt=_SALT)
    return reverse("threads:unsubscribe", args=[token])


def subscribed_by(token: str) -> SavedSearch | None:
    """Return the saved search that an unsubscribe link is about; None when it is gone."""
    try:
        pk, owner_id = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return SavedSearch.objects.filter(pk=pk, owner_id=owner_id).first()


def _rows(saved: SavedSearch) -> SavedSearchQuerySet:
    return SavedSearch.objects.filter(pk=saved.pk)


def _claim(saved: SavedSearch, *, now: datetime) -> bool:
    same = _rows(saved).filter(checked_at=saved.checked_at, notify=saved.notify)
    return same.update(checked_at=now) == 1


def _tell(saved: SavedSearch, *, now: datetime) -> int:
    """Mail what is new, if anything is; return the number of mails. One search, twelve queries."""
    kept = Preferences.of(saved.owner)
    zone = zoneinfo.ZoneInfo(kept.time_zone or settings.TIME_ZONE)
    with translation.override(kept.language or settings.LANGUAGE_CODE), timezone.override(zone):
        page = new_hits(saved, now=now)
        if not page.results:
            return 0
        stop = settings.THREADHUB_URL + unsubscribe_path(saved)
        count = page.total_messages
        subject = ngettext("%(count)s new hit: %(name)s", "%(count)s new hits: %(name)s", count)
        mail = EmailMessage(
            subject=subject
            % {"count": count if page.total_is_exact else f"{count}+", "name": saved.name},
            body=_body(saved, page, stop=stop),
            to=[saved.owner.email],
            headers={
                "List-Unsubscribe": f"<{stop}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Auto-Submitted": "auto-generated",
            },
        )
        return mail.send()


def _body(saved: SavedSearch, page: SearchPage, *, stop: str) -> str:
    lines = [_("Search: %(query)s") % {"query": saved.query}, ""]
    for result in page.results:
        lines += [*_thread(result), ""]
    further = page.total_threads - len(page.results)
    if further > 0:
        more = ngettext("%(count)d more thread.", "%(count)d more threads.", further)
        lines += [more % {"count": further}, ""]
    lines += ["-- ", _("You get this because you asked for mails about this saved search.")]
    return "\n".join([*lines, _("No more of them: %(address)s") % {"address": stop}, ""])


def _thread(result: ThreadHits) -> list[str]:
    thread = result.thread
    address = f"{settings.THREADHUB_URL}{thread.get_absolute_url()}"
    title = " ".join(thread.title.split()) or thread.external_id
    lines = [f"{title} ({thread.project.name})"]
    for hit in result.hits:
        text = html.unescape(_MARKS.sub("", hit.snippet))
        lines += [f"  {' '.join(text.split())}", f"  {address}#m-{hit.position}"]
    return lines
