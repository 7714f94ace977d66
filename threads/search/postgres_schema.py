"""The index in PostgreSQL: two side tables with a stored tsvector each, kept by triggers.

The archive's own tables stay small, and the index may be dropped at any time. No extension is
needed: accents are taken off by Unicode's own decomposition, and the text search configuration
is English stems without stop words, as in the SQLite index.
"""

# ruff: noqa: S608 - every statement is made of the constants below, values are parameters

from __future__ import annotations

# A tsvector holds at most a megabyte; texts are indexed up to here, in characters.
_MAX_TEXT = 250_000

_CJK = (
    r"\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
# All that is no letter or digit, named rather than left to the database's locale: in "C" no
# Chinese character would be a letter.
_PUNCTUATION = (
    r"\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8"
    r"\u00bb\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u3000-\u3004\u3008-\u3020"
    r"\u3030\u303d-\u303f\u30fb\ufe10-\ufe6f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)

FUNCTIONS = [
    f"""
    CREATE FUNCTION th_fold(t text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT regexp_replace(regexp_replace(
        CASE WHEN octet_length(t) = char_length(t) THEN t
        ELSE regexp_replace(
            normalize(regexp_replace(normalize(t, NFKD), '[\\u0300-\\u036f]+', '', 'g'), NFKC),
            '([{_CJK}])', ' \\1 ', 'g')
        END
        || CASE WHEN t ~ '[a-z0-9][A-Z]' THEN
            ' ' || coalesce((SELECT string_agg(part[1], ' ')
            FROM regexp_matches(t, '\\m([A-Za-z0-9]{{0,64}}[a-z0-9][A-Z][A-Za-z0-9]{{0,64}})', 'g')
                AS word(found),
            LATERAL regexp_matches(found[1], '([A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+)', 'g') AS part
            WHERE length(part[1]) > 1), '')
        ELSE '' END,
        '\\m([vV])(?=[0-9])', '\\1 ', 'g'),
        '[{_PUNCTUATION}]+', ' ', 'g')
    $f$
    """,
    f"""
    CREATE FUNCTION th_tsv(t text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT to_tsvector('public.threadhub', th_fold(left(t, {_MAX_TEXT})))
    $f$
    """,
    """
    CREATE FUNCTION search_message_changed() RETURNS trigger LANGUAGE plpgsql AS $f$
    BEGIN
        IF TG_OP = 'TRUNCATE' THEN
            TRUNCATE search_message;
            RETURN NULL;
        END IF;
        IF TG_OP = 'UPDATE' AND old.id <> new.id OR TG_OP = 'DELETE' THEN
            DELETE FROM search_message WHERE message_id = old.id;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            PERFORM search_message_put(new.id);
        END IF;
        RETURN NULL;
    END $f$
    """,
    """
    CREATE FUNCTION search_thread_changed() RETURNS trigger LANGUAGE plpgsql AS $f$
    BEGIN
        IF TG_OP = 'TRUNCATE' THEN
            TRUNCATE search_thread;
        ELSIF TG_OP = 'DELETE' THEN
            DELETE FROM search_thread WHERE thread_id = old.id;
        ELSE
            PERFORM search_thread_put(new.id);
            IF TG_OP = 'UPDATE' THEN
                IF (old.trashed_at IS NULL) <> (new.trashed_at IS NULL) THEN
                    DELETE FROM search_message WHERE thread_id = new.id;
                    PERFORM search_message_put(id) FROM threads_message
                        WHERE thread_id = new.id AND new.trashed_at IS NULL;
                END IF;
            END IF;
        END IF;
        RETURN NULL;
    END $f$
    """,
    """
    CREATE FUNCTION search_thread_tagged() RETURNS trigger LANGUAGE plpgsql AS $f$
    BEGIN
        IF TG_OP <> 'INSERT' THEN PERFORM search_thread_put(old.thread_id); END IF;
        IF TG_OP <> 'DELETE' THEN PERFORM search_thread_put(new.thread_id); END IF;
        RETURN NULL;
    END $f$
    """,
    """
    CREATE FUNCTION search_tag_renamed() RETURNS trigger LANGUAGE plpgsql AS $f$
    BEGIN
        PERFORM search_thread_put(thread_id) FROM threads_thread_tags WHERE tag_id = new.id;
        RETURN NULL;
    END $f$
    """,
    """
    CREATE FUNCTION search_assistant_renamed() RETURNS trigger LANGUAGE plpgsql AS $f$
    BEGIN
        PERFORM search_thread_put(id) FROM threads_thread WHERE assistant_id = new.id;
        RETURN NULL;
    END $f$
    """,
]
MESSAGE_SELECT = """
    SELECT m.id, m.search_key, m.thread_id, m.project_id, m.role, m.features,
        m.kind <> 'message' OR m.is_hidden OR m.role IN ('tool', 'system', 'developer'),
        th_tsv(CASE WHEN m.name <> '' AND m.kind = 'message'
            THEN m.name || ': ' || m.text ELSE m.text END)
    FROM threads_message m JOIN threads_thread t ON t.id = m.thread_id
    WHERE t.trashed_at IS NULL
"""
THREAD_SELECT = """
    SELECT t.id,
        (floor(extract(epoch FROM coalesce(t.created_at, t.archived_at)))::bigint - 1577836800)
            * 268435456 + t.id,
        t.project_id,
        setweight(th_tsv(t.title), 'A') || setweight(th_tsv(t.remark), 'B')
        || setweight(th_tsv(concat_ws(' ', t.external_id, t.short_id, t.end_user,
            a.name, a.external_id,
            (SELECT string_agg(g.name, ' ' ORDER BY g.name) FROM threads_thread_tags tt
             JOIN projects_tag g ON g.id = tt.tag_id WHERE tt.thread_id = t.id))), 'C')
    FROM threads_thread t LEFT JOIN threads_assistant a ON a.id = t.assistant_id
    WHERE t.trashed_at IS NULL
"""
MESSAGE_COLUMNS = "message_id, search_key, thread_id, project_id, role, features, is_aside, tsv"
THREAD_COLUMNS = "thread_id, thread_key, project_id, tsv"


def _upsert(table: str, columns: str, select: str) -> str:
    key, *others = columns.split(", ")
    assignments = ", ".join(f"{column} = excluded.{column}" for column in others)
    return (
        f"INSERT INTO {table} ({columns}) {select} ON CONFLICT ({key}) DO UPDATE SET {assignments}"
    )


def put_functions(table: str = "search_message") -> list[str]:
    """The functions that index one row, or take it out when it is in the trash."""
    both = ["search_message"] if table == "search_message" else ["search_message", table]
    puts = "".join(
        _upsert(name, MESSAGE_COLUMNS, f"{MESSAGE_SELECT} AND m.id = message") + ";"
        for name in both
    )
    return [
        (
            f"CREATE OR REPLACE FUNCTION search_message_put(message bigint) RETURNS void"
            f" LANGUAGE plpgsql AS $f$ BEGIN {puts} END $f$"
        ),
        (
            "CREATE OR REPLACE FUNCTION search_thread_put(thread bigint) RETURNS void"
            " LANGUAGE plpgsql AS $f$ BEGIN"
            f" {_upsert('search_thread', THREAD_COLUMNS, f'{THREAD_SELECT} AND t.id = thread')};"
            " DELETE FROM search_thread s USING threads_thread t"
            " WHERE s.thread_id = thread AND t.id = thread AND t.trashed_at IS NOT NULL;"
            " END $f$"
        ),
    ]


TABLES = [
    "CREATE TABLE search_meta (name text PRIMARY KEY, value text NOT NULL)",
    (
        "CREATE TABLE search_message (message_id bigint PRIMARY KEY, search_key bigint NOT NULL,"
        " thread_id bigint NOT NULL, project_id bigint NOT NULL, role text NOT NULL,"
        " features integer NOT NULL, is_aside boolean NOT NULL, tsv tsvector NOT NULL)"
    ),
    (
        "CREATE TABLE search_thread (thread_id bigint PRIMARY KEY, thread_key bigint NOT NULL,"
        " project_id bigint NOT NULL, tsv tsvector NOT NULL)"
    ),
]
INDEXES = [
    "CREATE INDEX search_message_tsv ON search_message USING gin (tsv)",
    "CREATE INDEX search_message_newest ON search_message (search_key DESC)",
    "CREATE INDEX search_message_of_project ON search_message (project_id, search_key DESC)",
    "CREATE INDEX search_message_of_thread ON search_message (thread_id)",
    "CREATE INDEX search_thread_tsv ON search_thread USING gin (tsv)",
    "CREATE INDEX search_thread_newest ON search_thread (thread_key DESC)",
]
TRIGGERS = {
    "threads_message": {
        "search_message_write": "AFTER INSERT OR DELETE OR UPDATE OF text, name, thread_id,"
        " project_id, role, kind, is_hidden, features, search_key ON threads_message"
        " FOR EACH ROW EXECUTE FUNCTION search_message_changed()",
        "search_message_truncate": "AFTER TRUNCATE ON threads_message"
        " FOR EACH STATEMENT EXECUTE FUNCTION search_message_changed()",
    },
    "threads_thread": {
        "search_thread_write": "AFTER INSERT OR DELETE OR UPDATE OF title, remark, external_id,"
        " short_id, end_user, assistant_id, project_id, created_at, trashed_at ON threads_thread"
        " FOR EACH ROW EXECUTE FUNCTION search_thread_changed()",
        "search_thread_truncate": "AFTER TRUNCATE ON threads_thread"
        " FOR EACH STATEMENT EXECUTE FUNCTION search_thread_changed()",
    },
    "threads_thread_tags": {
        "search_tags_write": "AFTER INSERT OR DELETE OR UPDATE ON threads_thread_tags"
        " FOR EACH ROW EXECUTE FUNCTION search_thread_tagged()",
    },
    "projects_tag": {
        "search_tag_write": "AFTER UPDATE OF name ON projects_tag"
        " FOR EACH ROW EXECUTE FUNCTION search_tag_renamed()",
    },
    "threads_assistant": {
        "search_assistant_write": "AFTER UPDATE OF name, external_id ON threads_assistant"
        " FOR EACH ROW EXECUTE FUNCTION search_assistant_renamed()",
    },
}
