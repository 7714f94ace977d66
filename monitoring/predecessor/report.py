"""What an import of the predecessor's database did, or would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_MOST_NOTES = 1_000


@dataclass(slots=True)
class Count:
    """Rows of one kind: made here, here already, and left out."""

    new: int = 0
    known: int = 0
    left_out: int = 0


@dataclass(slots=True)
class Report:
    """Counts by kind, and sentences about what people should know. Can be written to JSON."""

    is_dry_run: bool = False
    counts: dict[str, Count] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    note_count: int = 0

    def of(self, kind: str) -> Count:
        return self.counts.setdefault(kind, Count())

    def note(self, sentence: str) -> None:
        self.note_count += 1
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(sentence)

    @property
    def new_count(self) -> int:
        return sum(count.new for count in self.counts.values())

    def as_json(self) -> dict[str, Any]:
        counts = {
            kind: {"new": each.new, "known": each.known, "left_out": each.left_out}
            for kind, each in self.counts.items()
        }
        return {
            "is_dry_run": self.is_dry_run,
            "counts": counts,
            "notes": self.notes,
            "note_count": self.note_count,
        }

    def lines(self) -> list[str]:
        """The counts for people, one line a kind."""
        verb = "would be new" if self.is_dry_run else "new"
        return [
            f"{kind}: {each.new} {verb}, {each.known} here already"
            + (f", {each.left_out} left out" if each.left_out else "")
            for kind, each in self.counts.items()
            if each.new or each.known or each.left_out
        ]
