"""The addresses that the predecessor kept out, and keeps out here until the same moment."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction

from monitoring.actions import Refused, ban
from monitoring.predecessor.ledger import Ledger
from monitoring.predecessor.report import Report
from threadhub.lib import networks
from threads.imports.predecessor import Database, Row

_FOR_EVER = 253_402_300_799.0  # Unix time of the last second of the year 9999


def bring_bans(database: Database, report: Report, *, now: datetime) -> None:
    """Bring the bans that still stand. One that was brought before stays lifted if it was."""
    count, ledger = report.of("bans"), Ledger("ip_bans")
    for row in database.rows("ip_bans"):
        if ledger.get(row.text("ip")) is not None:
            count.known += 1
            continue
        until = _end(row)
        if until is not None and until <= now:
            count.left_out += 1
            report.note(f"The ban of {row.text('ip')[:60]} had ended and is not carried over.")
            continue
        try:
            network = networks.network_of(row.text("ip"))
            with transaction.atomic():
                made = ban(network, by=None, now=now, until=until, reason=row.text("reason"))
                ledger.put(row.text("ip"), made.pk)
                transaction.set_rollback(report.is_dry_run)
        except (ValueError, Refused) as problem:
            count.left_out += 1
            why = str(problem) if isinstance(problem, Refused) else "it is no address."
            report.note(f"The ban of {row.text('ip')[:60]} is not carried over: {why}")
        else:
            count.new += 1


def _end(row: Row) -> datetime | None:
    """Return until when, None for ever: -1, nothing, or more than a calendar holds."""
    until = row.number("expires_at")
    if until is None or until < 0 or until > _FOR_EVER:
        return None
    return datetime.fromtimestamp(until, UTC)
