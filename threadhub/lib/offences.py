"""Requests that had to be refused for what they tried: anything may tell, monitoring counts."""

from __future__ import annotations

from enum import StrEnum

from django.dispatch import Signal
from django.http import HttpRequest

# Keywords: request, kind, what.
noted = Signal()


class Kind(StrEnum):
    LIMIT = "limit"  # more requests than a limit allows
    CAPTCHA = "captcha"  # a wrong answer, or one that was used before
    LOGIN = "login"  # a wrong password, or an API token that is none


def note(request: HttpRequest, kind: Kind, *, what: str = "") -> None:
    """Hold an offence against the address that `request` came from.

    :param what: more closely, as an operator would want to read it: the name of the limit.
    """
    noted.send(sender=None, request=request, kind=kind, what=what)
