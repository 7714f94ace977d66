"""Saved searches: keep one, share it, follow it as a feed or by mail."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from projects.models import Project
from threadhub.lib import audit
from threadhub.lib.http import client_ip
from threadhub.lib.ratelimit import limited
from threads import alerts, search
from threads.exports.covering import cover_for
from threads.forms import SavedSearchForm
from threads.models import SavedSearch
from threads.search.query import parse
from threads.views.reader import reader

FEED_ENTRIES = 30  # newest hits
_SHOWN = 500  # searches that others share, on the list
_MARKS = re.compile(r"</?mark>")
# What XML cannot hold, not even as an entity.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _account(request: HttpRequest) -> User:
    return cast("User", request.user)


def _own(request: HttpRequest, pk: int) -> SavedSearch:
    """Return a saved search of the reader's own. :raises Http404: when it is not theirs."""
    return get_object_or_404(SavedSearch, pk=pk, owner=_account(request))


@require_http_methods(["GET", "POST"])
@login_required
@limited("change")
def saved_list(request: HttpRequest) -> HttpResponse:
    """Show the reader's saved searches and those shared with them; a POST keeps another one."""
    if request.method == "POST":
        form = SavedSearchForm(request.POST, owner=_account(request))
        if form.is_valid():
            saved = _kept(form, was_told=False)
            messages.success(request, _("“%(name)s” is saved.") % {"name": saved.name})
            return redirect("threads:saved")
        return _list(request, status=400, failed=form)
    return _list(request)


@require_POST
@login_required
@limited("change")
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Change the name, words, sharing and mails of one's own search."""
    saved = _own(request, pk)
    was_told = saved.notify != SavedSearch.Notify.NEVER
    form = SavedSearchForm(request.POST, instance=saved, owner=_account(request))
    if not form.is_valid():
        return _list(request, status=400, failed=form)
    _kept(form, was_told=was_told)
    messages.success(request, _("Saved."))
    return redirect("threads:saved")


@require_POST
@login_required
@limited("change")
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget one's own search; its feed and mails end."""
    saved = _own(request, pk)
    saved.delete()
    messages.success(request, _("“%(name)s” is deleted.") % {"name": saved.name})
    return redirect("threads:saved")


@require_POST
@login_required
@limited("change")
def change_feed(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the search a feed with a new address, or take its feed away (`off`)."""
    saved = _own(request, pk)
    is_off = "off" in request.POST
    saved.feed_token = None if is_off else SavedSearch.new_token()
    saved.save(update_fields=["feed_token"])
    audit.record(
        action="saved_search.feed_off" if is_off else "saved_search.feed_on",
        actor=_account(request),
        target=saved,
        ip=client_ip(request),
    )
    return redirect(f"{reverse('threads:saved')}#saved-{saved.pk}")


@require_GET
@limited("read")
def feed(request: HttpRequest, token: str) -> HttpResponse:
    """Answer a saved search's newest hits as Atom, to whoever has its address.

    The address is the credential: it shows what the owner may read at this moment, and nothing
    once it was revoked or their account was closed.
    """
    saved = (
        SavedSearch.objects.select_related("owner")
        .filter(feed_token=token, owner__is_active=True)
        .first()
    )
    if saved is None:
        raise Http404
    now = timezone.now()
    query = parse(saved.query, now=now, zone=timezone.get_default_timezone())
    page = search.find(
        replace(query, sort="newest", group="message"),
        within=Project.objects.visible_to(saved.owner),
        limit=FEED_ENTRIES,
        now=now,
        cover=cover_for(saved.owner).text,
    )
    atom = Atom1Feed(
        title=_clean(saved.name),
        link=request.build_absolute_uri(_results(saved.query)),
        description=_clean(saved.query),
        feed_url=request.build_absolute_uri(),
    )
    for result in page.results:
        thread = result.thread
        address = request.build_absolute_uri(thread.get_absolute_url())
        hit = result.hits[0] if result.hits else None
        when = hit.created_at if hit else thread.last_message_timestamp
        atom.add_item(
            title=_clean(thread.title or thread.external_id),
            link=f"{address}#m-{hit.position}" if hit else address,
            description=_clean(html.unescape(_MARKS.sub("", hit.snippet))) if hit else "",
            pubdate=when or thread.created_at,
            updateddate=when or thread.created_at,
            author_name=_clean(thread.project.name),
        )
    response = HttpResponse(atom.writeString("utf-8"), content_type="application/atom+xml")
    response["Cache-Control"] = "private, max-age=60"
    return response


# Mail programs send the one-click POST without a cookie; the signature says what it may do.
@csrf_exempt
@require_http_methods(["GET", "POST"])
@limited("change")
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether the mails shall end, and end them; who opens the link need not sign in."""
    saved = alerts.subscribed_by(token)
    if saved is None:
        raise Http404
    if request.method == "POST":
        SavedSearch.objects.filter(pk=saved.pk).update(notify=SavedSearch.Notify.NEVER)
    context = {"section": "saved", "saved": saved, "is_done": request.method == "POST"}
    return render(request, "threads/unsubscribe.html", context)


def _kept(form: SavedSearchForm, *, was_told: bool) -> SavedSearch:
    """Save what the form holds. Who asks for mails is told of what comes from now on."""
    saved: SavedSearch = form.instance
    if saved.notify != SavedSearch.Notify.NEVER and not was_told:
        saved.checked_message = alerts.newest_message()
        saved.checked_at = timezone.now()
    form.save()
    return saved


def _results(query: str) -> str:
    return f"{reverse('threads:search')}?{urlencode({'q': query})}"


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("", " ".join(text.split()))


def _list(
    request: HttpRequest, *, status: int = 200, failed: SavedSearchForm | None = None
) -> HttpResponse:
    account = _account(request)
    visible = SavedSearch.objects.visible_to(account).select_related("owner", "project")
    own = list(visible.filter(owner=account).order_by("name", "pk"))
    shared = list(visible.filter(~Q(owner=account)).order_by("name", "pk")[:_SHOWN])
    projects = Project.objects.visible_to(reader(request)).order_by("name", "pk")
    context = {
        "section": "saved",
        "own": [
            (saved, request.build_absolute_uri(reverse("threads:feed", args=[saved.feed_token])))
            if saved.feed_token
            else (saved, "")
            for saved in own
        ],
        "shared": shared,
        "failed": failed,
        "projects": list(projects.values_list("pk", "name")),
        "sharings": SavedSearch.Sharing.choices,
        "notifications": SavedSearch.Notify.choices,
        "has_address": bool(account.email),
    }
    return render(request, "threads/saved.html", context, status=status)
