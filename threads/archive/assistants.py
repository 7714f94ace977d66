"""The assistants that speak in a project's threads, looked up together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from projects.models import Project
from threads.archive import clean
from threads.models import Assistant


class Assistants:
    """The rows of assistants by the store's ids; those that are missing are made."""

    def __init__(self, project: Project, names: Mapping[str, str]) -> None:
        """Look up and make what `names` lists: ids, and names as far as they are told.

        One query, and two more when some are missing. A name that is told replaces the one here.
        """
        self._pks: dict[str, int] = {}
        wanted = {
            clean.identity(identity): clean.line(name, 300) for identity, name in names.items()
        }
        if not wanted:
            return
        here = self._here(project, wanted)
        if missing := wanted.keys() - here.keys():
            Assistant.objects.bulk_create(
                [
                    Assistant(project=project, external_id=identity, name=wanted[identity])
                    for identity in sorted(missing)
                ],
                ignore_conflicts=True,  # another writer may have made one just now
            )
            here |= self._here(project, missing)
        for identity, (pk, name) in here.items():
            if wanted[identity] not in {"", name}:
                Assistant.objects.filter(pk=pk).update(name=wanted[identity])
            self._pks[identity] = pk

    @staticmethod
    def _here(project: Project, identities: Iterable[str]) -> dict[str, tuple[int, str]]:
        rows = Assistant.objects.filter(project=project, external_id__in=list(identities))
        return {
            identity: (pk, name)
            for identity, pk, name in rows.values_list("external_id", "pk", "name")
        }

    def pk_of(self, identity: str) -> int:
        """Return the primary key of an assistant that was named at the start."""
        return self._pks[clean.identity(identity)]
