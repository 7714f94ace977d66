"""The queue's own tables and their pages, for the console, which puts its own in their place."""

from __future__ import annotations

from django_q.admin import ScheduleAdmin as SchedulePages
from django_q.models import Failure, OrmQ, Schedule, Success

__all__ = ["Failure", "OrmQ", "Schedule", "SchedulePages", "Success"]
