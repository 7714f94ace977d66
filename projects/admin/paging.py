"""Pages of long lists, without counting, sorting or reading more than a page needs."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page, Paginator
from django.utils.functional import cached_property

MOST_COUNTED = 10_000  # rows; what is longer says "more than" instead of counting them


class CappedPaginator(Paginator):
    """Counts to MOST_COUNTED and no further; `is_capped` then, and the list says so.

    What lies beyond is found by a search or a filter, or by turning the order round.
    """

    is_capped = False

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        found: int = rows.order_by().values("pk")[: MOST_COUNTED + 1].count()
        self.is_capped = found > MOST_COUNTED
        return min(found, MOST_COUNTED)


class IndexedPaginator(CappedPaginator):
    """Finds the rows of a page by their ids first, which an index may know alone.

    The last page then costs what the first costs: rows that are passed over are never read. Two
    queries a page.
    """

    def page(self, number: int | str) -> Page:
        number = self.validate_number(number)
        bottom = (number - 1) * self.per_page
        top = min(bottom + self.per_page, self.count)
        rows: Any = self.object_list
        pks = list(rows.values_list("pk", flat=True)[bottom:top])
        return Page(rows.filter(pk__in=pks), number, self)
