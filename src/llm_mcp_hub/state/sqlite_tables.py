"""The tables of the database file, as the steps that lead to them.

A step that has been released never changes: a file knows only how many of them it has taken. Steps
are taken while foreign keys are not enforced: a table that is replaced takes nothing with it.
"""

_SESSIONS = (
    """CREATE TABLE sessions (
        key INTEGER PRIMARY KEY,
        principal TEXT NOT NULL,
        id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        model TEXT NOT NULL,
        digest TEXT NOT NULL,
        message_count INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        expires_at REAL NOT NULL,
        system TEXT NOT NULL,
        UNIQUE (principal, id)
    )""",
    "CREATE INDEX sessions_by_digest ON sessions (principal, digest)",
    "CREATE INDEX sessions_by_time ON sessions (principal, updated_at, id)",
    "CREATE INDEX sessions_by_end ON sessions (expires_at)",
    """CREATE TABLE messages (
        session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        digest TEXT NOT NULL,
        created_at REAL NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (session, seq)
    ) WITHOUT ROWID""",
    """CREATE TABLE leases (
        principal TEXT NOT NULL,
        session_id TEXT NOT NULL,
        id TEXT NOT NULL,
        until REAL NOT NULL,
        PRIMARY KEY (principal, session_id)
    ) WITHOUT ROWID""",
    """CREATE TABLE access_tokens (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        body BLOB NOT NULL
    ) WITHOUT ROWID""",
)
_JOURNALS = (
    """CREATE TABLE journals (
        id INTEGER PRIMARY KEY,
        principal TEXT NOT NULL,
        turn_id TEXT NOT NULL,
        key TEXT,
        length INTEGER NOT NULL DEFAULT 0,
        alive_until REAL NOT NULL,
        expires_at REAL NOT NULL,
        wanted_until REAL NOT NULL DEFAULT 0,
        head BLOB NOT NULL,
        ended BLOB,
        UNIQUE (principal, turn_id)
    )""",
    "CREATE UNIQUE INDEX journals_by_key ON journals (principal, key) WHERE key IS NOT NULL",
    "CREATE INDEX journals_by_end ON journals (expires_at)",
    """CREATE TABLE journal_chunks (
        journal INTEGER NOT NULL REFERENCES journals (id) ON DELETE CASCADE,
        last INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (journal, last)
    ) WITHOUT ROWID""",
)
_LISTINGS = (
    "ALTER TABLE sessions ADD COLUMN title TEXT NOT NULL DEFAULT ''",
    """UPDATE sessions SET title = coalesce((
        SELECT message_title(body) FROM messages
        WHERE session = key AND message_title(body) <> '' ORDER BY seq LIMIT 1
    ), '')""",
    "DROP INDEX sessions_by_time",
    # All that a listing looks at to find its page, so that it reads no session but those on it.
    """CREATE INDEX sessions_listed ON sessions (
        principal, updated_at, id, expires_at, created_at, message_count,
        input_tokens, output_tokens, model, title
    )""",
)
_RECORDS = (
    """CREATE TABLE collections (
        name TEXT PRIMARY KEY,
        version INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE records (
        collection TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (collection, name)
    ) WITHOUT ROWID""",
)
_USAGE_AND_LIMITS = (
    "ALTER TABLE access_tokens ADD COLUMN used_at REAL",
    """CREATE TABLE usage (
        span INTEGER NOT NULL,
        start INTEGER NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        principal TEXT NOT NULL,
        counts BLOB NOT NULL,
        expires_at REAL NOT NULL,
        PRIMARY KEY (span, start, provider, model, principal)
    ) WITHOUT ROWID""",
    "CREATE INDEX usage_by_end ON usage (expires_at)",
    """CREATE TABLE usage_writers (
        id TEXT PRIMARY KEY,
        last INTEGER NOT NULL,
        at REAL NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE limited_turns (
        principal TEXT NOT NULL,
        turn_id TEXT NOT NULL,
        entered_at REAL NOT NULL,
        runs_until REAL,
        PRIMARY KEY (principal, turn_id)
    ) WITHOUT ROWID""",
    """CREATE TABLE limited_days (
        principal TEXT PRIMARY KEY,
        day INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        tokens INTEGER NOT NULL
    ) WITHOUT ROWID""",
)
_NARROW_SESSIONS = (
    # Each turn writes its session twice. In one narrow row, with its lease, and with no index more
    # than is needed, that takes two thirds of the pages.
    """CREATE TABLE new_sessions (
        key INTEGER PRIMARY KEY,
        principal TEXT NOT NULL,
        id TEXT NOT NULL,
        revision INTEGER NOT NULL DEFAULT 0,
        model TEXT NOT NULL DEFAULT '',
        digest TEXT NOT NULL DEFAULT '',
        message_count INTEGER NOT NULL DEFAULT 0,
        input_tokens INTEGER NOT NULL DEFAULT 0,
        cached_tokens INTEGER NOT NULL DEFAULT 0,
        output_tokens INTEGER NOT NULL DEFAULT 0,
        reasoning_tokens INTEGER NOT NULL DEFAULT 0,
        created_at REAL NOT NULL DEFAULT 0,
        updated_at REAL NOT NULL DEFAULT 0,
        expires_at REAL NOT NULL DEFAULT 0,
        title TEXT NOT NULL DEFAULT '',
        lease_id TEXT NOT NULL DEFAULT '',
        lease_until REAL NOT NULL DEFAULT 0,
        UNIQUE (principal, id)
    )""",
    """INSERT INTO new_sessions (
        key, principal, id, revision, model, digest, message_count, input_tokens, cached_tokens,
        output_tokens, reasoning_tokens, created_at, updated_at, expires_at, title
    ) SELECT
        key, principal, id, revision, model, digest, message_count, input_tokens, cached_tokens,
        output_tokens, reasoning_tokens, created_at, updated_at, expires_at, title
    FROM sessions""",
    """INSERT INTO new_sessions (principal, id, lease_id, lease_until)
        SELECT principal, session_id, id, until FROM leases WHERE true
        ON CONFLICT (principal, id)
        DO UPDATE SET lease_id = excluded.lease_id, lease_until = excluded.lease_until""",
    """CREATE TABLE session_systems (
        session INTEGER PRIMARY KEY REFERENCES sessions (key) ON DELETE CASCADE,
        text TEXT NOT NULL
    )""",
    "INSERT INTO session_systems SELECT key, system FROM sessions WHERE system <> ''",
    "DROP TABLE leases",
    "DROP TABLE sessions",
    "ALTER TABLE new_sessions RENAME TO sessions",
    "CREATE INDEX sessions_by_digest ON sessions (principal, digest)",
    "CREATE INDEX sessions_by_use ON sessions (principal, updated_at, id)",
)
STEPS = (_SESSIONS, _JOURNALS, _RECORDS, _LISTINGS, _USAGE_AND_LIMITS, _NARROW_SESSIONS)
"""What each version of the tables added to the one before."""
SCHEMA_VERSION = len(STEPS)
