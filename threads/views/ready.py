"""What a server does before it answers the first request."""

from __future__ import annotations

from django.template.loader import get_template
from django.urls import get_resolver

from threads import content

_PAGES = (
    "threads/results.html",
    "threads/start.html",
    "threads/thread.html",
    "403.html",
    "404.html",
)


def warm_up() -> None:
    """Import every page, compile the templates that most readers see and the lexers of code.

    Takes a second or two; without it the first readers of each process pay for it.
    """
    _ = get_resolver().url_patterns
    for name in _PAGES:
        get_template(name)
    content.warm_up()
