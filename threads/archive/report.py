"""What an import did, or would do, in numbers and line by line."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from threads.archive.base import Stored

_MOST_THREADS = 500  # new and changed ones named in the report
_LONGEST_TITLE = 100  # characters of it
_MOST_PROBLEMS = 1_000  # kept in the report; all of them are counted


@dataclass(slots=True)
class ImportReport:
    """What an import did, or would do. Can be written to JSON and taken up again."""

    is_dry_run: bool = False
    threads_new: int = 0
    threads_changed: int = 0
    threads_unchanged: int = 0
    messages_new: int = 0
    messages_changed: int = 0
    files_new: int = 0
    problem_count: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)  # [{"line", "message"}]
    threads: list[dict[str, Any]] = field(default_factory=list)  # line, id, outcome, title

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> Self:
        return cls(**known)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_in_vain(self) -> bool:
        """Whether nothing in the archive is, or would be, other than before."""
        return not (self.threads_new or self.threads_changed or self.files_new)

    @property
    def thread_count(self) -> int:
        return self.threads_new + self.threads_changed + self.threads_unchanged

    def add_problem(self, line: int, message: str) -> None:
        self.problem_count += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append({"line": line, "message": message})

    def add_thread(self, line: int, identity: str, outcome: str, title: str = "") -> None:
        """Count a thread; `outcome` is new, changed or unchanged."""
        if outcome == "new":
            self.threads_new += 1
        elif outcome == "changed":
            self.threads_changed += 1
        else:
            self.threads_unchanged += 1
        if outcome != "unchanged" and len(self.threads) < _MOST_THREADS:
            row = {
                "line": line,
                "id": identity,
                "outcome": outcome,
                "title": title[:_LONGEST_TITLE],
            }
            self.threads.append(row)

    def add_stored(self, line: int, identity: str, stored: Stored, title: str = "") -> None:
        """Count a thread with its messages, by what storing it changed."""
        self.messages_new += stored.messages_new
        self.messages_changed += stored.messages_changed
        is_changed = stored.is_changed or stored.has_new_details
        outcome = "new" if stored.is_created else "changed" if is_changed else "unchanged"
        self.add_thread(line, identity, outcome, title)

    def __str__(self) -> str:
        """One line for people, the same for a rehearsal and for the real thing."""
        would = "would be " if self.is_dry_run else ""
        files = f" {self.files_new} files {would}kept;" if self.files_new else ""
        return (
            f"{self.thread_count} threads: {self.threads_new} {would}new,"
            f" {self.threads_changed} {would}changed, {self.threads_unchanged} unchanged;"
            f" messages: {self.messages_new} {would}new, {self.messages_changed} {would}changed;"
            f"{files} {self.problem_count} lines refused."
        )
