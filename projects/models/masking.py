"""Which projects ask for masked texts: few do, and every page has to know."""

from __future__ import annotations

from django.core.cache import cache

KEY = "masking:projects"
SECONDS = 300  # how long other processes may still see what was changed in the database by hand


def remember_rules(rules: dict[int, str]) -> None:
    """Let all processes see these rules from now on: by project, those that have one."""
    cache.set(KEY, rules, SECONDS)


def note_rule(project_id: int, rule: str) -> None:
    """Have the rules read again when a project that was saved has one, or had one."""
    if rule or project_id in (cache.get(KEY) or {}):
        cache.delete(KEY)
