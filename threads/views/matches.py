"""Which messages of a thread a query finds, and where its words stand in them."""

from __future__ import annotations

from threads.content import Spans
from threads.models import Thread
from threads.search.excerpts import Marker
from threads.search.query import Query

MAX_HITS = 1_000  # that previous and next walk through


def spans_of(query: Query) -> Spans | None:
    """Return what finds the query's words in a text; None when it has none."""
    if not query.terms:
        return None
    marker = Marker(query.terms)
    return lambda text: ((start, end) for start, end, _ in marker.spans(text))


def hits_in(thread: Thread, query: Query) -> tuple[int, ...]:
    """Return the positions of the thread's messages that match, in order, up to MAX_HITS."""
    spans = spans_of(query)
    if spans is None:
        return ()
    texts = thread.messages.order_by("position").values_list("position", "text")
    return tuple(position for position, text in texts if any(True for _ in spans(text)))[:MAX_HITS]
