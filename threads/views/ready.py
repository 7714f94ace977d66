"""What a server does before it answers the first request."""

from __future__ import annotations

import gc

from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse
from django.utils import translation

from threads import content

_FOLDERS = ("threads", "icons")  # of templates/: the pages that most readers see
_ERRORS = ("403.html", "404.html")


def warm_up() -> None:
    """Import every page, compile the templates that readers see and the lexers of code.

    Takes a second or two; without it the first readers of each process pay for it.
    """
    for language, _name in settings.LANGUAGES:  # each has its own table of addresses
        with translation.override(language):
            for name in ("threads:search", "admin:login"):
                reverse(name)
    templates = settings.BASE_DIR / "templates"
    parts = [path for folder in _FOLDERS for path in (templates / folder).glob("*.*")]
    for name in (*(f"{path.parent.name}/{path.name}" for path in parts), *_ERRORS):
        if name.endswith((".html", ".svg")):
            get_template(name)
    content.warm_up()
    # What is there now stays: looking through it for garbage would cost each process a tenth of
    # a second now and then, and copies the memory that they share.
    gc.collect()
    gc.freeze()
