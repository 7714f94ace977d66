"""For whom the texts of which projects are masked: visitors, or all who do not manage them.

The site's rule and the project's own are compared, and the stricter one holds. Whoever manages a
project reads it in clear; so do ThreadHub's own commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.cache import cache

from projects.models.masking import KEY, remember_rules
from projects.models.project import Project
from projects.models.site import SiteSettings

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

_Masking = SiteSettings.Masking


@dataclass(frozen=True, slots=True)
class Covered:
    """Says of each project whether its texts are masked for one reader."""

    everywhere: bool = False
    projects: frozenset[int] = frozenset()
    managed: frozenset[int] = frozenset()

    def __contains__(self, project_id: int) -> bool:
        if project_id in self.managed:
            return False
        return self.everywhere or project_id in self.projects

    def __bool__(self) -> bool:
        return self.everywhere or bool(self.projects)


NOTHING = Covered()


def _rules() -> dict[int, str]:
    rules: dict[int, str] | None = cache.get(KEY)
    if rules is None:
        rules = dict(Project.objects.exclude(masking="").values_list("pk", "masking"))
        remember_rules(rules)
    return rules


def covered_for(user: User | AnonymousUser | None) -> Covered:
    """Return what is masked for `user`; an account of None is the system, which reads in clear.

    Two looks into the cache; a query for members where something is masked for readers.
    """
    if user is None or (user.is_authenticated and user.is_superuser):
        return NOTHING
    site = SiteSettings.current().masking
    if not user.is_authenticated:
        return Covered(site != _Masking.NOBODY, frozenset(_rules()))
    of_readers = frozenset(pk for pk, rule in _rules().items() if rule == _Masking.READERS)
    is_everywhere = site == _Masking.READERS
    if not is_everywhere and not of_readers:
        return NOTHING
    managed = frozenset(Project.objects.managed_by(user).values_list("pk", flat=True))
    return Covered(is_everywhere, of_readers, managed)
