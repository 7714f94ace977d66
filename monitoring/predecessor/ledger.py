"""Remembers where rows went."""

from __future__ import annotations

from monitoring.models import CarriedOver


class Ledger:
    """The new ids of one table's rows by their old ones."""

    def __init__(self, table: str) -> None:
        self._table = table
        found = CarriedOver.objects.filter(table=table).values_list("old_id", "new_id")
        self._ids = dict(found)

    def get(self, old_id: str) -> int | None:
        return self._ids.get(old_id[:100])

    def put(self, old_id: str, new_id: int) -> None:
        """Remember that a row is here. A row that went away in between may come again."""
        self._ids[old_id[:100]] = new_id
        CarriedOver.objects.update_or_create(
            table=self._table, old_id=old_id[:100], defaults={"new_id": new_id}
        )
