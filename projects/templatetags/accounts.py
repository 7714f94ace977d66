"""What pages show about the account of who reads them."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Any

from django import template
from django.http import HttpRequest

from projects.accounts import adapters, sessions

register = template.Library()


@register.simple_tag(takes_context=True)
def session_end(context: dict[str, Any]) -> datetime | None:
    """When the reader's session ends; None where nobody is logged in. No query."""
    request = context.get("request")
    return sessions.end_of(request) if isinstance(request, HttpRequest) else None


@register.simple_tag
def sends_mail() -> bool:
    """Whether mail leaves this server, so that a forgotten password can be helped."""
    return adapters.sends_mail()


@register.simple_tag
def has_single_sign_on() -> bool:
    """Whether there is a provider of OpenID Connect to log in with."""
    return adapters.has_single_sign_on()


@register.simple_tag(takes_context=True)
def takes_passkeys(context: dict[str, Any]) -> bool:
    """Whether browsers keep passkeys for this address: they do for names, not for numbers."""
    request = context.get("request")
    if not isinstance(request, HttpRequest):
        return False
    host = request.get_host().rsplit(":", 1)[0].strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return request.is_secure() or host == "localhost" or host.endswith(".localhost")
    return False


@register.filter
def browser(user_agent: str) -> str:
    """Write which browser it is, on which system."""
    return sessions.browser(user_agent)
