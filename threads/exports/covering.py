"""Masks what a reader gets to see, by the rules of the site and of each project.

Rows are masked in memory, after they were read and before anything is made of them: pages,
excerpts, API answers and files then hold nothing that could be unmasked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from projects.masking import Covered, covered_for
from threads.exports.masking import mask
from threads.models import Message, Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cover:
    """Masks for one reader; does nothing where nothing is to be masked."""

    covered: Covered

    def hides(self, project_id: int) -> bool:
        return project_id in self.covered

    def text(self, project_id: int, text: str) -> str:
        return mask(text) if self.hides(project_id) else text

    def value(self, project_id: int, value: T) -> T:
        """Return a JSON value with every text in it masked, keys and all."""
        return _masked(value) if self.hides(project_id) else value

    def thread(self, thread: Thread) -> Thread:
        """Mask what is said about a thread, in this instance; it must not be saved after."""
        if self.hides(thread.project_id):
            thread.title, thread.remark = mask(thread.title), mask(thread.remark)
            thread.end_user = mask(thread.end_user)
            thread.metadata = _masked(thread.metadata)
        return thread

    def message(self, message: Message) -> Message:
        """Mask what a message says, in this instance; it must not be saved after."""
        if self.hides(message.project_id):
            message.text, message.name = mask(message.text), mask(message.name)
        return message

    def hides_any(self, project_ids: Iterable[int]) -> bool:
        return any(map(self.hides, project_ids))


def cover_for(user: User | AnonymousUser | None) -> Cover:
    """Return what masks for `user`; None is the system. Costs what `covered_for` does."""
    return Cover(covered_for(user))


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        return {_masked(name): _masked(item) for name, item in value.items()}
    return value
