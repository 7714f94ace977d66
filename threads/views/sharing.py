"""Links that show one thread without an account: make them, take them back, open them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from threadhub.lib.http import client_ip
from threadhub.lib.ratelimit import limited
from threads import actions
from threads.exports.covering import cover_for
from threads.forms import ShareForm
from threads.models import ShareLink, Thread
from threads.views.cards import Reading, stretches
from threads.views.shown import rows_of
from threads.views.thread import Pages, names_in

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def _managed(request: HttpRequest, thread_id: str) -> Thread:
    """:raises Http404: when the reader does not manage such a thread."""
    threads = Thread.objects.managed_by(cast("User", request.user)).filter(trashed_at__isnull=True)
    return get_object_or_404(threads.select_related("project"), short_id=thread_id)


def _links_to(thread: Thread) -> QuerySet[ShareLink]:
    return ShareLink.objects.filter(thread=thread).select_related("thread", "created_by")


@login_required
@require_http_methods(["GET", "POST"])
@limited("change")
def share_links(request: HttpRequest, thread_id: str) -> HttpResponse:
    """List the links to a thread. The answer to making one is the only page that shows it."""
    thread, user, now = _managed(request, thread_id), cast("User", request.user), timezone.now()
    form, address = ShareForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        try:
            _link, text = actions.share(
                thread,
                by=user,
                note=form.cleaned_data["note"],
                now=now,
                life=timedelta(days=int(form.cleaned_data["days"])),
                ip=client_ip(request),
            )
        except actions.TooManyLinks:
            form.add_error(None, _("This thread has very many links. Revoke some first."))
        else:
            address = request.build_absolute_uri(reverse("threads:shared", args=[text]))
            form = ShareForm()
    links = _links_to(thread).order_by("-created_at", "-pk")
    context = {
        "section": "share",
        "thread": thread,
        "form": form,
        "address": address,
        "links": [(link, link.is_valid(now)) for link in links[:200]],
    }
    status = 400 if form.errors else 200
    response = render(request, "threads/share_links.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_POST
@limited("change")
def revoke_share_link(request: HttpRequest, thread_id: str, link_id: int) -> HttpResponse:
    """Take a link's power away for good."""
    thread = _managed(request, thread_id)
    link = get_object_or_404(_links_to(thread), pk=link_id)
    user, ip = cast("User", request.user), client_ip(request)
    if actions.unshare(link, by=user, now=timezone.now(), ip=ip):
        messages.success(request, _("Revoked. The link opens nothing any more."))
    return redirect("threads:share_links", thread_id=thread.short_id)


@require_GET
@limited("read")
def shared_thread(request: HttpRequest, text: str) -> HttpResponse:
    """Show the one thread that a link opens: its messages, and no way to anything else.

    Not its remark, tags, metadata or files, which are the project's own affair.
    """
    thread = actions.open_shared(
        text, now=timezone.now(), ip=client_ip(request), is_first="page" not in request.GET
    )
    if thread is None:
        raise Http404
    pages = Pages.of(thread, request.GET)
    here = pages.here
    cover = cover_for(AnonymousUser())  # whoever has the link
    cover.thread(thread)
    rows = rows_of(
        thread.messages.filter(position__range=(here.start, here.stop - 1)),
        cover=cover,
        project_id=thread.project_id,
    )
    reading = Reading(thread_model=thread.model, names=names_in(rows))
    context = {"thread": thread, "blocks": stretches(rows, reading), "pages": pages, "branch": None}
    response = render(request, "threads/shared.html", context)
    # The address is the key: no page that is opened from here gets to know it.
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, no-store"
    return response
