"""What the dashboard's templates need: values written as in the console's lists."""

from __future__ import annotations

from datetime import datetime

from django import template

from projects.admin import display
from threads.admin.jobs import STATE_KIND
from threads.models import Job, SyncRun

register = template.Library()


@register.simple_tag
def moment(value: datetime | None) -> str:
    """Return a time as the console's lists write it."""
    return display.moment(value)


@register.simple_tag
def state_badge(row: Job | SyncRun) -> str:
    """Return the state of a job or a sync as a label."""
    return display.badge(STATE_KIND[row.state], row.get_state_display())


@register.filter
def grouped(value: int | None) -> str:
    """Return a count with its thousands apart."""
    return display.number(value)


@register.filter
def lasting(value: float | None) -> str:
    """Return seconds as a duration."""
    return display.seconds(value)
