"""What the audit log promises to tell, it tells, in one unbroken chain.

An action that the code can record and no step of the day brings about has to name the test that
shows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from monitoring import chain
from monitoring.models import AuditEvent
from monitoring.tests.day import Day, begin
from monitoring.tests.steps import STEPS

pytestmark = pytest.mark.django_db

# What no step brings about, and the test that shows it.
ELSEWHERE = {
    "account.second_factor.added": "projects/tests/test_accounts.py",
    "backup.make": "threadhub/tests/test_backup.py",
    "backup.restore": "threadhub/tests/test_backup.py",
    "file.read": "threads/tests/test_file_page.py",
    "predecessor.import": "monitoring/tests/test_import_predecessor.py",
}


def recorded_by_code() -> set[str]:
    """Every action that the code names, wherever it hands one to the audit log."""
    root = Path(__file__).resolve().parent.parent.parent
    found = set()
    for app in ("projects", "threads", "monitoring"):
        for file in (root / app).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            if "audit.record(" not in text or "tests" in file.parts:
                continue
            for call in re.findall(r"audit\.record\((?s:.*?)action=(.{1,120}?)[,)\n]", text):
                found.update(re.findall(r'"([a-z_]+(?:\.[a-z_]+)*)"', call))
    return found


def not_told(day: Day, step: Callable[[Day], None]) -> set[str]:
    """Do a step; return what it should have put on record and did not."""
    last = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    step(day)
    told = {
        f"{event.action} refused" if event.outcome == "refused" else event.action
        for event in AuditEvent.objects.filter(pk__gt=last)
    }
    return STEPS[step] - told


def test_it_puts_a_whole_day_on_record(tmp_path: Path, settings: Settings) -> None:
    with begin(tmp_path, settings) as day:
        missing = {step.__name__: lost for step in STEPS if (lost := not_told(day, step))}

    assert not missing, missing
    answer = chain.verify()
    assert answer.broken_id is None
    assert answer.count == AuditEvent.objects.count() > 50


def test_every_action_is_in_the_day_or_shown_elsewhere() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    shown = {
        action
        for action, place in ELSEWHERE.items()
        if action in (root / place).read_text(encoding="utf-8")
    }

    assert len(recorded_by_code()) > 40
    assert shown == set(ELSEWHERE)
    assert recorded_by_code() - {word for wanted in STEPS.values() for word in wanted} <= shown
