"""What pages show of the settings where nothing may fail any more."""

from __future__ import annotations

import logging

from django import template

from projects.models import SiteSettings

logger = logging.getLogger(__name__)
register = template.Library()


@register.simple_tag
def known_site_name() -> str:
    """Return the archive's name if the cache knows it; the product's otherwise. No query."""
    try:
        known = SiteSettings.remembered()
    except Exception:  # a page that says what is broken must not break of it
        logger.exception("The settings cannot be read from the cache.")
        known = None
    return (known or SiteSettings()).name
