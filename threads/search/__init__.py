"""Full-text search over the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threads.search.finder import HITS_SHOWN, find

__all__ = ["HITS_SHOWN", "find"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `setup` is needed before the models are.
    if name in __all__:
        from threads.search import finder

        return getattr(finder, name)
    raise AttributeError(name)
