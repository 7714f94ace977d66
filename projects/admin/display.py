"""How the console writes values: labels, times, numbers, and "—" for what is not known."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma, naturaltime
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext

from projects.models import Connection

UNKNOWN = "—"

_STATE_KIND = {
    Connection.State.UNTESTED: "quiet",
    Connection.State.WORKING: "ok",
    Connection.State.UNREACHABLE: "warn",
    Connection.State.EXHAUSTED: "warn",
    Connection.State.RETIRED: "quiet",
}


def badge(kind: str, text: str, *, title: str = "") -> str:
    """Return a coloured label. kind: ok, warn, error, info or quiet."""
    return format_html(
        '<span class="th-badge th-badge--{}" title="{}">{}</span>', kind, title, text
    )


def connection_badge(connection: Connection) -> str:
    """Return the state of a connection as a label, its reason in the title."""
    if not connection.is_enabled:
        return badge("quiet", gettext("Switched off"))
    kind = _STATE_KIND.get(Connection.State(connection.state), "error")
    return badge(kind, connection.get_state_display(), title=connection.state_reason)


def moment(value: datetime | None, *, has_seconds: bool = False) -> str:
    """Return a time in the reader's zone, to the minute, with the distance in its title."""
    if value is None:
        return UNKNOWN
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        naturaltime(value),
        f"{local:%Y-%m-%d %H:%M:%S}" if has_seconds else f"{local:%Y-%m-%d %H:%M}",
    )


def until(value: datetime | None) -> str:
    """Return how far ahead a time is, shortly ("in 5 h"), with the time itself in its title."""
    if value is None:
        return UNKNOWN
    minutes = (value - timezone.now()).total_seconds() / 60
    if minutes <= 0:
        text = gettext("due")
    elif minutes < 90:
        text = gettext("in %d min") % max(1, minutes)
    elif minutes < 48 * 60:
        text = gettext("in %d h") % round(minutes / 60)
    else:
        text = gettext("in %d days") % round(minutes / 1440)
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        f"{local:%Y-%m-%d %H:%M}",
        text,
    )


def percent(value: float | None) -> str:
    """Return a share without decimals; unknown as a dash."""
    return UNKNOWN if value is None else f"{value:.0f} %"


def number(value: float | None) -> str:
    """Return a count with the separators of the reader's language."""
    return UNKNOWN if value is None else str(intcomma(value))


def tokens(total: int | None, *, estimated: int | None = None, is_exact: bool | None = None) -> str:
    """Return a count of tokens; our own estimate where the source told none says that it is one."""
    if total is not None:
        return number(total) if is_exact is not False else f"≥ {number(total)}"
    if estimated is None:
        return UNKNOWN
    title = gettext("Estimated by ThreadHub; the source gave no count")
    return format_html('<span class="th-quiet" title="{}">≈ {}</span>', title, number(estimated))


def seconds(value: float | None) -> str:
    """Return a duration that is given in seconds."""
    if value is None:
        return UNKNOWN
    if value < 60:
        return gettext("%.1f s") % value
    if value < 3600:
        return gettext("%(minutes)d min %(seconds)d s") % {
            "minutes": value // 60,
            "seconds": value % 60,
        }
    return gettext("%(hours)d h %(minutes)d min") % {
        "hours": value // 3600,
        "minutes": value % 3600 // 60,
    }


def as_json(value: Any) -> str:
    """Return a JSON value as it can be read, or "—" when there is nothing in it."""
    if not value:
        return UNKNOWN
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    return format_html('<pre class="th-json">{}</pre>', text)
