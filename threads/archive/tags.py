"""The tags that files bring for their threads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from projects.models import Tag
from threads.archive import clean
from threads.models import Thread


def add_tags(named: Mapping[int, Iterable[str]]) -> set[int]:
    """Add tags to threads, given by primary key. None is ever taken away.

    One query to see what is there already, three to add what is not.

    :returns: the threads that had not all of theirs.
    """
    through = Thread.tags.through
    wanted = {
        (pk, name)
        for pk, names in named.items()
        for name in (clean.line(each, 60) for each in names)
        if name
    }
    if not wanted:
        return set()
    here = through.objects.filter(thread__in={pk for pk, _name in wanted})
    missing = sorted(wanted - set(here.values_list("thread", "tag__name")))
    if not missing:
        return set()
    names = {name for _pk, name in missing}
    Tag.objects.bulk_create([Tag(name=name) for name in sorted(names)], ignore_conflicts=True)
    pks = dict(Tag.objects.filter(name__in=names).values_list("name", "pk"))
    through.objects.bulk_create(
        [through(thread_id=pk, tag_id=pks[name]) for pk, name in missing], ignore_conflicts=True
    )
    return {pk for pk, _name in missing}
