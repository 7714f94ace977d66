"""The index in SQLite: two FTS5 tables, the views they are made from and the triggers.

`search_message` has one row a message, with the message's search key as row id, and keeps no
text of its own (external content). Its columns: `body`, what people and assistants said;
`aside`, what searches leave out unless asked (tool calls and output, reasoning, system prompts,
hidden messages); `tags`, short words to filter by: p12 a project, ru a role, f4 a feature, and
whether it is aside. `search_thread` has one row a thread: title,
remark and ids. Threads in the trash are in neither. Whoever writes, triggers follow within the
same transaction.
"""

# ruff: noqa: S608 - every statement is made of the constants below, values are parameters

from __future__ import annotations

TOKENIZER = "porter unicode61 remove_diacritics 2"

# A thread's row id in its index: the second it began, then its id, so that the index runs in
# the order of time and the thread is known without a join. 2^28 threads are 268 million.
THREAD_BITS = 28
THREAD_MASK = (1 << THREAD_BITS) - 1
# Among the tags. A word that texts do not have: the fewer rows it has, the sooner it is looked up.
ASIDE_WORD = "isaside"


def _thread_key(row: str) -> str:
    return (
        f"(((CAST(strftime('%s', coalesce({row}.created_at, {row}.archived_at)) AS INTEGER)"
        f" - 1577836800) << {THREAD_BITS}) | {row}.id)"
    )


def _is_aside(row: str) -> str:
    return (
        f"({row}.kind <> 'message' OR {row}.is_hidden"
        f" OR {row}.role IN ('tool', 'system', 'developer'))"
    )


def _said(row: str) -> str:
    """The text, behind the name of who said it where there is one: people ask for both."""
    return (
        f"CASE WHEN {row}.name <> '' AND {row}.kind = 'message'"
        f" THEN {row}.name || ': ' || {row}.text ELSE {row}.text END"
    )


def _columns(row: str) -> str:
    """What the index holds of a message row: body, aside and tags, as SQL expressions."""
    features = " || ".join(
        f"CASE WHEN {row}.features & {bit} THEN ' f{bit}' ELSE '' END"
        for bit in (1, 2, 4, 8, 16, 32, 64)
    )
    return (
        f"CASE WHEN {_is_aside(row)} THEN '' ELSE th_fold({_said(row)}) END AS body,"
        f" CASE WHEN {_is_aside(row)} THEN th_fold({_said(row)}) ELSE '' END AS aside,"
        f" 'p' || {row}.project_id || ' r' || substr({row}.role, 1, 2)"
        f" || CASE WHEN {row}.features THEN {features} ELSE '' END"
        f" || CASE WHEN {_is_aside(row)} THEN ' {ASIDE_WORD}' ELSE '' END AS tags"
    )


VIEWS = {
    "search_message_source": (
        f"SELECT m.search_key, {_columns('m')} FROM threads_message m"
        " CROSS JOIN threads_thread t ON t.id = m.thread_id WHERE t.trashed_at IS NULL"
    ),
    "search_thread_source": (
        f"SELECT t.id, {_thread_key('t')} AS thread_key,"
        " th_fold(t.title) AS title, th_fold(t.remark) AS remark,"
        " th_fold(t.external_id || ' ' || t.short_id || ' ' || t.end_user"
        " || ' ' || coalesce(a.name || ' ' || a.external_id, '')"
        " || ' ' || coalesce((SELECT group_concat(name, ' ') FROM ("
        "SELECT g.name FROM threads_thread_tags tt JOIN projects_tag g"
        " ON g.id = tt.tag_id WHERE tt.thread_id = t.id ORDER BY g.name)), '')) AS other,"
        " 'p' || t.project_id AS tags"
        " FROM threads_thread t LEFT JOIN threads_assistant a ON a.id = t.assistant_id"
        " WHERE t.trashed_at IS NULL"
    ),
}
# The first of them for everything at once. To look each message's thread up took 0.7 µs more.
ALL_MESSAGES = (
    f"SELECT m.search_key, {_columns('m')} FROM threads_message m WHERE m.thread_id NOT IN"
    " (SELECT id FROM threads_thread WHERE trashed_at IS NOT NULL)"
)
TABLES = ("search_message", "search_message_new", "search_thread", "search_meta")
THREAD_COLUMNS = "rowid, title, remark, other, tags"
THREAD_SELECT = "SELECT thread_key, title, remark, other, tags FROM search_thread_source"


def message_table(name: str) -> list[str]:
    """Return the statements that make an empty index of messages."""
    return [
        (
            f"CREATE VIRTUAL TABLE {name} USING fts5(body, aside, tags,"
            " content='search_message_source', content_rowid='search_key',"
            f' tokenize="{TOKENIZER}")'
        ),
        # What a filter adds to the match is none of the ranking's business.
        f"INSERT INTO {name}({name}, rank) VALUES('rank', 'bm25(1.0, 1.0, 0.0)')",
    ]


def message_triggers(table: str, *, upto: str = "") -> dict[str, str]:
    """Return the triggers that keep `table` in step; `upto` limits them to what a rebuild has read.

    A delete tells FTS5 the old text, so it has to be told exactly of rows that are there:
    those of threads that exist and are not in the trash.
    """

    def reached(row: str) -> str:
        return f" AND {row}.search_key <= {upto}" if upto else ""

    def live(row: str) -> str:
        return f"(SELECT trashed_at IS NULL FROM threads_thread WHERE id = {row}.thread_id)"

    def remove(row: str, source: str = "") -> str:
        return (
            f"INSERT INTO {table}({table}, rowid, body, aside, tags)"
            f" SELECT 'delete', {row}.search_key, {_columns(row)} {source}"
        )

    def add(row: str, source: str = "") -> str:
        return (
            f"INSERT INTO {table}(rowid, body, aside, tags)"
            f" SELECT {row}.search_key, {_columns(row)} {source}"
        )

    changed = " OR ".join(
        f"old.{column} IS NOT new.{column}"
        for column in (
            "text",
            "name",
            "thread_id",
            "project_id",
            "role",
            "kind",
            "is_hidden",
            "features",
            "search_key",
        )
    )
    of_thread = "FROM threads_message m WHERE m.thread_id = "
    return {
        f"{table}_insert": (
            f"AFTER INSERT ON threads_message WHEN {live('new')}{reached('new')}"
            f" BEGIN {add('new')}; END"
        ),
        f"{table}_delete": (
            f"AFTER DELETE ON threads_message WHEN {live('old')}{reached('old')}"
            f" BEGIN {remove('old')}; END"
        ),
        f"{table}_update": (
            f"AFTER UPDATE ON threads_message WHEN {changed}"
            f" BEGIN {remove('old')} WHERE {live('old')}{reached('old')};"
            f" {add('new')} WHERE {live('new')}{reached('new')}; END"
        ),
        f"{table}_trash": (
            "AFTER UPDATE OF trashed_at ON threads_thread"
            " WHEN (old.trashed_at IS NULL) <> (new.trashed_at IS NULL)"
            f" BEGIN {remove('m', of_thread)} new.id"
            f" AND new.trashed_at IS NOT NULL{reached('m')};"
            f" {add('m', of_thread)} new.id AND new.trashed_at IS NULL{reached('m')}; END"
        ),
        # Where a thread goes before its messages, they leave the index with it.
        f"{table}_thread": (
            "BEFORE DELETE ON threads_thread WHEN old.trashed_at IS NULL"
            f" BEGIN {remove('m', of_thread)} old.id{reached('m')}; END"
        ),
    }


def thread_triggers() -> dict[str, str]:
    """Return the triggers that keep the index of threads in step."""

    def add(which: str) -> str:
        return f"INSERT INTO search_thread({THREAD_COLUMNS}) {THREAD_SELECT} WHERE {which}"

    def again(which: str) -> str:
        """Take the rows of some threads out and put them in anew."""
        return (
            "DELETE FROM search_thread WHERE rowid IN"
            f" (SELECT {_thread_key('t')} FROM threads_thread t WHERE t.{which});"
            f" {add(which)};"
        )

    changed = " OR ".join(
        f"old.{column} IS NOT new.{column}"
        for column in (
            "title",
            "remark",
            "external_id",
            "short_id",
            "end_user",
            "assistant_id",
            "project_id",
            "created_at",
            "trashed_at",
        )
    )
    return {
        "search_thread_insert": (f"AFTER INSERT ON threads_thread BEGIN {add('id = new.id')}; END"),
        "search_thread_delete": (
            "AFTER DELETE ON threads_thread BEGIN"
            f" DELETE FROM search_thread WHERE rowid = {_thread_key('old')}; END"
        ),
        "search_thread_update": (
            f"AFTER UPDATE ON threads_thread WHEN {changed} BEGIN"
            f" DELETE FROM search_thread WHERE rowid = {_thread_key('old')};"
            f" {add('id = new.id')}; END"
        ),
        "search_thread_tagged": (
            f"AFTER INSERT ON threads_thread_tags BEGIN {again('id = new.thread_id')} END"
        ),
        "search_thread_untagged": (
            f"AFTER DELETE ON threads_thread_tags BEGIN {again('id = old.thread_id')} END"
        ),
        "search_thread_tag_name": (
            "AFTER UPDATE OF name ON projects_tag WHEN old.name IS NOT new.name BEGIN"
            f" {again('id IN (SELECT thread_id FROM threads_thread_tags WHERE tag_id = new.id)')}"
            " END"
        ),
        "search_thread_assistant": (
            "AFTER UPDATE OF name, external_id ON threads_assistant"
            " WHEN old.name IS NOT new.name OR old.external_id IS NOT new.external_id BEGIN"
            " DELETE FROM search_thread WHERE rowid IN"
            f" (SELECT {_thread_key('t')} FROM threads_thread t WHERE t.assistant_id = new.id);"
            f" INSERT INTO search_thread({THREAD_COLUMNS}) {THREAD_SELECT}"
            " WHERE id IN (SELECT id FROM threads_thread WHERE assistant_id = new.id); END"
        ),
    }
