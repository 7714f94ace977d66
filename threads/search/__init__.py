"""Full-text search over the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threads.search.finder import find

__all__ = ["find"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `setup` is needed before the models are.
    if name == "find":
        from threads.search.finder import find

        return find
    raise AttributeError(name)
