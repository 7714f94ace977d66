"""What programs send."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from ninja import Schema
from pydantic import ConfigDict, Field

from threads.exports import EXPORTERS
from threads.exports.columns import COLUMNS
from threads.models.fresh_search import LONGEST_QUERY

MOST_IDS = 1_000
MOST_THREADS = 100
_STORABLE = r"^[^\x00]*$"  # PostgreSQL keeps no NUL in a text
Id = Annotated[str, Field(max_length=200, pattern=_STORABLE)]
Slug = Annotated[str, Field(max_length=80, pattern=_STORABLE)]


def one_of(names: Iterable[str]) -> Any:
    """Describe a text that is one of `names`."""
    known: list[Any] = list(names)
    return Field(pattern=f"^({'|'.join(known)})$", json_schema_extra={"enum": known})


class Body(Schema):
    """A misspelt name is an error, not something to overlook; so is a 0 that should be false."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewThreads(Body):
    """Ids that a store knows, or whole threads in the interchange format."""

    project: Slug
    connection: int | None = Field(None, description="Needed where a project has several")
    ids: list[Id] = Field([], max_length=MOST_IDS)
    threads: list[dict[str, Any]] = Field([], max_length=MOST_THREADS)


class NewFreshSearch(Body):
    query: str = Field(min_length=1, max_length=LONGEST_QUERY, pattern=_STORABLE)
    projects: list[Slug] = Field([], max_length=100, description="Empty: all that may be asked")
    captcha_token: str = Field("", max_length=200)
    captcha_answer: str = Field("", max_length=40)


class NewExport(Body):
    format: Annotated[str, one_of(EXPORTERS)]
    query: str = Field("", max_length=LONGEST_QUERY, pattern=_STORABLE)
    thread_ids: list[Id] = Field([], max_length=5_000)
    per_message: bool = True
    columns: list[Annotated[str, one_of(COLUMNS)]] = Field([], max_length=100)
    masked: bool = False
    zipped: bool = False
    time_zone: str = Field("UTC", max_length=60, pattern=_STORABLE)
