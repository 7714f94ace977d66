"""What monitoring keeps."""

from __future__ import annotations

from monitoring.models.bans import Offence, RequestBan
from monitoring.models.records import (
    AppendOnly,
    AuditEvent,
    CarriedOver,
    LoginAttempt,
    SystemMetric,
)

__all__ = [
    "AppendOnly",
    "AuditEvent",
    "CarriedOver",
    "LoginAttempt",
    "Offence",
    "RequestBan",
    "SystemMetric",
]
