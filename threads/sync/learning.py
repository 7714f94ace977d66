"""The life tables of Smart Refresh in the database: read, counted on, and counted again."""

from __future__ import annotations

from datetime import datetime

from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Sum

from threads.models import RefreshBucket, RefreshReturns
from threads.refresh import (
    BUCKETS,
    CLASSES,
    EDGES,
    HALF_LIFE,
    IDLE_SECONDS,
    Expectation,
    LifeTable,
    Totals,
    fit,
)

# What was learned since is in use after this long; in the simulation a day was as good.
_FIT_SECONDS = 1_800
_MOST_HALVINGS = 12

_ADD_BUCKET = """
INSERT INTO threads_refreshbucket
    (project_id, session_class, age_bucket, events, exposure_seconds)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (project_id, session_class, age_bucket) DO UPDATE SET
    events = threads_refreshbucket.events + excluded.events,
    exposure_seconds = threads_refreshbucket.exposure_seconds + excluded.exposure_seconds
"""
_ADD_RETURNS = """
INSERT INTO threads_refreshreturns (project_id, sessions, messages, seconds)
VALUES (%s, %s, %s, %s)
ON CONFLICT (project_id) DO UPDATE SET
    sessions = threads_refreshreturns.sessions + excluded.sessions,
    messages = threads_refreshreturns.messages + excluded.messages,
    seconds = threads_refreshreturns.seconds + excluded.seconds
"""


def expectation_for(project_id: int) -> Expectation:
    """Return a project's rates; three queries, or none within half an hour."""
    name = _cached(project_id)
    known: Expectation | None = cache.get(name)
    if known is None:
        known = fit(_table_of(project_id), _everybody())
        cache.set(name, known, timeout=_FIT_SECONDS)
    return known


def _cached(project_id: int) -> str:
    return f"refresh-rates:{project_id}"


def _table_of(project_id: int) -> LifeTable:
    table = LifeTable()
    for row in RefreshBucket.objects.filter(project=project_id):
        if row.session_class < CLASSES and row.age_bucket < BUCKETS:
            table.events[row.session_class][row.age_bucket] = row.events
            table.exposure[row.session_class][row.age_bucket] = row.exposure_seconds
    returns = RefreshReturns.objects.filter(project=project_id).first()
    if returns is not None:
        table.return_sessions = returns.sessions
        table.return_messages = returns.messages
        table.return_seconds = returns.seconds
    return table


def _everybody() -> Totals:
    totals = Totals()
    sums = RefreshBucket.objects.order_by().values_list("age_bucket")
    for number, events, exposure in sums.annotate(Sum("events"), Sum("exposure_seconds")):
        if number < BUCKETS:
            totals.events[number], totals.exposure[number] = events, exposure
    return totals


def add_counts(project_id: int, table: LifeTable) -> None:
    """Add what visits have shown to a project's table. Safe beside other workers."""
    rows = [
        (project_id, kind, number, events, exposure)
        for kind in range(CLASSES)
        for number in range(BUCKETS)
        if (events := table.events[kind][number]) + (exposure := table.exposure[kind][number])
    ]
    if not rows:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_ADD_BUCKET, rows)
        if table.return_sessions or table.return_messages:
            returns = (table.return_sessions, table.return_messages, table.return_seconds)
            cursor.execute(_ADD_RETURNS, [project_id, *returns])


def count_again(now: datetime) -> int:
    """Count all tables anew from the archive's messages; return how many projects have one.

    Reads the time of every message once; holds no lock while it counts. What visits show
    meanwhile is lost until the next count, which does not matter.
    """
    tables: dict[int, LifeTable] = {}
    with connection.cursor() as cursor:
        cursor.execute(*_ended_silences(now))
        for project_id, kind, number, count, seconds, *returns in cursor.fetchall():
            table = tables.setdefault(project_id, LifeTable())
            table.add_gaps(kind, number, count=float(count), seconds=float(seconds), is_ended=True)
            sessions, messages, length = (float(value) for value in returns)
            table.return_sessions += sessions
            table.return_messages += messages
            table.return_seconds += length
        cursor.execute(*_silences_that_go_on(now))
        for project_id, kind, number, count, seconds in cursor.fetchall():
            table = tables.setdefault(project_id, LifeTable())
            table.add_gaps(kind, number, count=float(count), seconds=float(seconds), is_ended=False)
    with transaction.atomic():
        RefreshBucket.objects.all().delete()
        RefreshReturns.objects.all().delete()
        for project_id, table in tables.items():
            add_counts(project_id, table)
    cache.delete_many([_cached(project_id) for project_id in tables])
    return len(tables)


# SQL: buckets and classes as `threads.refresh` has them, weights by when a silence began. Half
# of an old silence must not be forgotten before the message that ended it: both have one weight.


def _seconds(earlier: str, later: str) -> str:
    if connection.vendor == "sqlite":
        return f"((julianday({later}) - julianday({earlier})) * 86400.0)"
    return f"CAST(EXTRACT(EPOCH FROM ({later} - {earlier})) AS double precision)"


def _bucket(seconds: str) -> str:
    whens = [f"WHEN {seconds} < {edge} THEN {number}" for number, edge in enumerate(EDGES[1:])]
    return f"CASE {' '.join(whens)} ELSE {BUCKETS - 1} END"


def _class(sessions: str) -> str:
    return (
        f"CASE WHEN {sessions} < 2 THEN 0 WHEN {sessions} < 3 THEN 1"
        f" WHEN {sessions} < 6 THEN 2 ELSE 3 END"
    )


def _weight(moment: str, now: datetime) -> tuple[str, list[str | None]]:
    """Return SQL for what a silence that began at `moment` counts, and its parameters."""
    adapt = connection.ops.adapt_datetimefield_value
    steps = range(1, _MOST_HALVINGS)
    whens = [f"WHEN {moment} > %s THEN {0.5 ** (step - 1)}" for step in steps]
    bounds = [adapt(now - step * HALF_LIFE) for step in steps]
    return f"CASE {' '.join(whens)} ELSE {0.5 ** (_MOST_HALVINGS - 1)} END", bounds


def _ended_silences(now: datetime) -> tuple[str, list[str | None]]:
    weight, bounds = _weight("began_at", now)
    is_return = f"seconds > {IDLE_SECONDS}"
    # Messages that were seen at one visit have one time; only the first of them ended a silence.
    sql = f"""
    WITH said AS (
        SELECT project_id, thread_id, position, created_at, time_source,
            LAG(created_at) OVER (PARTITION BY thread_id ORDER BY position) AS began_at
        FROM threads_message WHERE created_at IS NOT NULL
    ), silences AS (
        SELECT project_id, thread_id, position, began_at,
            {_seconds("began_at", "created_at")} AS seconds
        FROM said
        WHERE began_at <= created_at AND NOT (time_source = 'seen' AND began_at = created_at)
    ), numbered AS (
        SELECT project_id, seconds, {weight} AS weight, 1 + COALESCE(
            SUM(CASE WHEN {is_return} THEN 1 ELSE 0 END) OVER (
                PARTITION BY thread_id ORDER BY position
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), 0) AS sessions
        FROM silences
    )
    SELECT project_id, {_class("sessions")} AS kind, {_bucket("seconds")} AS age,
        SUM(weight), SUM(weight * seconds),
        SUM(CASE WHEN {is_return} THEN weight ELSE 0 END),
        SUM(CASE WHEN {is_return} OR sessions > 1 THEN weight ELSE 0 END),
        SUM(CASE WHEN {is_return} OR sessions < 2 THEN 0 ELSE weight * seconds END)
    FROM numbered GROUP BY 1, 2, 3
    """  # noqa: S608 - numbers and names of our own
    return sql, bounds


def _silences_that_go_on(now: datetime) -> tuple[str, list[str | None]]:
    """Watched until the last visit; for what no source was asked about, until the file was made.

    That was not before the last message in it.
    """
    weight, bounds = _weight("began_at", now)
    sql = f"""
    WITH latest AS (
        SELECT project_id, MAX(last_message_timestamp) AS latest_at
        FROM threads_thread GROUP BY project_id
    ), silences AS (
        SELECT thread.project_id, session_count, last_message_timestamp AS began_at,
            {_seconds("last_message_timestamp", "COALESCE(last_synced_at, latest_at)")} AS seconds
        FROM threads_thread AS thread JOIN latest ON latest.project_id = thread.project_id
        WHERE last_message_timestamp <= COALESCE(last_synced_at, latest_at)
    ), weighed AS (
        SELECT project_id, session_count, seconds, {weight} AS weight FROM silences
    )
    SELECT project_id, {_class("session_count")} AS kind, {_bucket("seconds")} AS age,
        SUM(weight), SUM(weight * seconds)
    FROM weighed GROUP BY 1, 2, 3
    """  # noqa: S608 - numbers and names of our own
    return sql, bounds
