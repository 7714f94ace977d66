"""What a source remembers between two calls about the same thread, and no longer."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST = 256  # more than are ever read side by side


class Recent(Generic[T]):
    """The latest values by name. Many threads may use it at once; the oldest are forgotten."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> T | None:
        with self._lock:
            return self._values.get(name)

    def get_or_begin(self, name: str, begin: Callable[[], T], *, afresh: bool = False) -> T:
        """Return what is remembered; what `begin` makes when there is nothing, or `afresh`."""
        found = None if afresh else self.get(name)
        return self.put(name, begin()) if found is None else found

    def put(self, name: str, value: T) -> T:
        with self._lock:
            self._values[name] = value
            self._values.move_to_end(name)
            if len(self._values) > _MOST:
                self._values.popitem(last=False)
        return value

    def forget(self, name: str) -> None:
        with self._lock:
            self._values.pop(name, None)
