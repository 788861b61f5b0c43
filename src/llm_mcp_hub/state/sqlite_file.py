"""The database file: where it is, its tables, and what its failures mean.

A new file can be read by its owner only, and so can a directory made for it. A file that another
program wrote, or a newer version of the hub, is refused and left as it is; one of an older version
gains what it lacks.
"""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from llm_mcp_hub.domain.chat import Message
from llm_mcp_hub.domain.session import StoredMessage, title_of
from llm_mcp_hub.errors import ConfigError, StateUnavailable
from llm_mcp_hub.state.sqlite_tables import SCHEMA_VERSION, STEPS

MEMORY = ":memory:"
BUSY_SECONDS = 5.0
"""How long to wait for another process's write; theirs take milliseconds."""
PREPARE_RETRY_SECONDS = 0.01
MAX_LOG_PAGES = 16_000
"""So long a write-ahead log (64 MB) is begun anew. That holds all writers up for as long as the
disk takes to write what has come meanwhile, so it is done rarely, and only where nobody pauses by
himself: a log that is written to without end is never carried over wholly."""

_REMEDIES = {
    "BUSY": "is locked by another program; try again, or stop what else uses the file",
    "LOCKED": "is locked by another program; try again, or stop what else uses the file",
    "FULL": "can't grow: its disk is full; free some space",
    "CORRUPT": "is damaged; restore a copy of the file, or move it away to start anew",
    "NOTADB": "is not a database; point `state` elsewhere, or move the file away",
    "READONLY": "can't be written; check the permissions of the file and its directory",
    "CANTOPEN": "can't be opened; check the permissions of the file and its directory",
    "PERM": "can't be opened; check the permissions of the file and its directory",
    "IOERR": "can't be read or written; check the disk it is on",
}


def read_url(url: str) -> str:
    """The path in `sqlite:///relative.db` or `sqlite:////absolute.db`, or `:memory:`.

    Raises:
        ConfigError: It is not such a URL.
    """
    parts = urlsplit(url)
    path = unquote(parts.path[1:])
    if parts.netloc or not path:
        raise ConfigError(
            "state: name the file after three slashes, as in `sqlite:///hub.db`, or after four "
            "if the path is absolute, as in `sqlite:////var/lib/hub.db`",
            param="state",
        )
    if parts.query or parts.fragment or "\0" in path:
        raise ConfigError(
            "state: a sqlite URL has no options; write `?`, `#` and `%` in a file name as "
            "`%3F`, `%23` and `%25`",
            param="state",
        )
    return path


def connect(path: str) -> sqlite3.Connection:
    """Open the database, creating what is missing.

    Raises:
        StateUnavailable: It can't be opened, or is not a database of this hub's.
    """
    try:
        if path != MEMORY:
            _create_file(Path(path))
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            _prepare_in_turn(connection)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error, StateUnavailable) as error:
        failure = unavailable(error)
        failure.detail = f"{path}: {failure.detail or failure.message}"
        raise failure from None
    return connection


def connect_shortcut(path: str) -> sqlite3.Connection:
    """A second connection to a database that is open, as `SqliteShortcut` wants it.

    Raises:
        StateUnavailable: It can't be opened.
    """
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                # Each commit would wait for the disk.
                raise StateUnavailable("The state database has no write-ahead log.")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise unavailable(error) from None
    return connection


def unavailable(error: Exception) -> StateUnavailable:
    """What a failure of the database means for whoever runs the hub. Names no path."""
    if isinstance(error, StateUnavailable):
        return error
    if isinstance(error, OSError):
        code = "CANTOPEN"
    else:
        code = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_").partition("_")[0]
    remedy = _REMEDIES.get(code, "failed; see the log, and check the disk it is on")
    return StateUnavailable(
        f"The state database {remedy}", detail=f"{type(error).__name__}: {error}"
    )


def _create_file(path: Path) -> None:
    for directory in reversed(path.absolute().parents):
        # Not with `parents=True`, which makes all but the last readable for others.
        if not directory.exists():
            directory.mkdir(mode=0o700, exist_ok=True)
    # SQLite would create it readable for others, and gives its journals the mode of the file. One
    # that exists is not touched: whoever closes a descriptor of a file drops all locks that the
    # process has on it, and another process would then delete the log that SQLite still writes to.
    new = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
    with suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), new, 0o600))


def _prepare_in_turn(connection: sqlite3.Connection) -> None:
    """Prepare a connection, in turn with other processes that do the same.

    SQLite's own waiting does not cover the change to a write-ahead log.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            _prepare(connection)
        except sqlite3.OperationalError as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= until:
                raise
            time.sleep(PREPARE_RETRY_SECONDS)
        else:
            return


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")
    # In one transaction: between two another process could create the tables.
    connection.execute("BEGIN")
    version = _version(connection)
    connection.execute("COMMIT")
    if version < SCHEMA_VERSION:
        connection.create_function("message_title", 1, _message_title, deterministic=True)
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have been faster.
        for step in STEPS[_version(connection) :]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    # With a write-ahead log this can lose the last turns in a power cut, but corrupt nothing.
    connection.execute("PRAGMA synchronous = NORMAL")
    # It is carried over beside the turns; a commit does so, too, only once it is that long, for
    # whoever waits for that commit waits for the disk as well.
    connection.execute(f"PRAGMA wal_autocheckpoint = {MAX_LOG_PAGES}")


def _message_title(body: bytes) -> str:
    message = msgspec.json.decode(body, type=Message)
    return title_of([StoredMessage(message, "", 0.0)])


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StateUnavailable(
            f"The state database was written by a newer version of the hub (schema {version}, "
            f"this version knows {SCHEMA_VERSION}); upgrade the hub, or point `state` elsewhere"
        )
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise StateUnavailable(
            "The state database belongs to another program; point `state` elsewhere"
        )
    return version
