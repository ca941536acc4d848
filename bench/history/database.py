"""The file that keeps history: SQLite, its rows checked when they are read.

Writers take the whole file for a moment, one after another, and wait for each other (`BEGIN IMMEDIATE` with a busy
timeout). The journal is a rollback journal and not a write-ahead log: a copy of the one file is all of it, and network
file systems that lock files are good enough. What isn't a history is left as it is.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.data.wording import quoted
from bench.errors import UserError
from bench.history.rows import Row, from_document

APPLICATION = 0x66656462  # "fedb": what says that a SQLite file is ours
SCHEMA = 1
PATIENCE_S = 30.0
_TEXTS = (
    "identity", "checksum", "commit_hash", "committed", "branch", "recorded", "facts", "machine", "source",
    "experiment", "digest", "backend", "framework", "version", "metric", "unit", "value_list",
)  # fmt: skip
_COLUMNS = (*_TEXTS, "dirty", "median")
_MAY_BE_NULL = ("branch", "framework", "version")
_CREATE = (
    "CREATE TABLE result ("
    + ", ".join(f"{name} TEXT{'' if name in _MAY_BE_NULL else ' NOT NULL'}" for name in _TEXTS)
    + ", dirty INTEGER NOT NULL, median REAL NOT NULL, UNIQUE (identity))"
)
_INSERT = (
    f"INSERT INTO result ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
    " ON CONFLICT (identity) DO NOTHING"
)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclass(frozen=True)
class Added:
    """How many rows are new, and which were there already, each with the commit that they are kept under."""

    new: int
    known: tuple[tuple[Row, str], ...]


def add(path: Path, rows: Sequence[Row], patience_s: float = PATIENCE_S) -> Added:
    """Keep `rows` in the file `path`, all or none, and make it where there is none.

    Raises UserError where the file is damaged, locked for `patience_s` seconds, newer, or something else.
    """
    new, known = 0, []
    with _opened(path, "rwc", patience_s) as connection:
        connection.execute("BEGIN")  # another writer may be making it: what is looked at is of one moment
        _examined(connection, path)
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        if _examined(connection, path):
            _create(connection)
        for row in rows:
            if connection.execute(_INSERT, _stored(row)).rowcount:
                new += 1
            else:
                query = "SELECT commit_hash FROM result WHERE identity = ?"
                known.append((row, connection.execute(query, (row.identity,)).fetchone()[0]))
        connection.execute("COMMIT")
    return Added(new, tuple(known))


def read(path: Path, patience_s: float = PATIENCE_S) -> list[Row]:
    """Return all rows, by commit time and then by the time they were recorded. Raises UserError as `add` does."""
    if not path.exists():
        raise UserError(f"{quoted(path)}: there is no history; bench history add makes it")
    with _opened(path, "rw", patience_s) as connection:
        connection.execute("BEGIN")
        if _examined(connection, path):
            raise UserError(f"{quoted(path)}: an empty file; bench history add puts results into it")
        found = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM result").fetchall()
    rows = [_restored(dict(zip(_COLUMNS, entry, strict=True)), path) for entry in found]
    return sorted(rows, key=lambda row: (row.committed, row.recorded, row.commit, row.series))


@contextmanager
def _opened(path: Path, mode: str, patience_s: float) -> Iterator[sqlite3.Connection]:
    """Open the file; leaving by an error undoes what was begun, and what SQLite says becomes one line."""
    try:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=patience_s, isolation_level=None)) as connection:
            connection.text_factory = lambda raw: raw.decode(errors="replace")  # what was damaged fails its checksum
            yield connection
    except sqlite3.Error as error:
        raise UserError(f"{quoted(path)}: {_told(error, patience_s)}") from error
    except UnicodeDecodeError as error:  # of SQLite's own message, which repeats the damaged bytes
        raise UserError(f"{quoted(path)}: {_damage('no text where there should be one')}") from error


def _told(error: sqlite3.Error, patience_s: float) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest tells variants
    if code in _BUSY:
        return f"another process has kept it locked for {patience_s:g} s; nothing was changed: try again"
    if code in _DAMAGED or not isinstance(error, sqlite3.OperationalError):
        return _damage(str(error))
    if code == sqlite3.SQLITE_CANTOPEN:
        return "can't be opened or made: its folder has to exist and allow it"
    return f"{error}; nothing was changed"


def _damage(what: str) -> str:
    return (
        f"damaged, or no history of fedbench ({what}); nothing was changed: restore it, or name another by --database"
    )


def _examined(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file holds nothing yet. Raises UserError where it holds what isn't ours to touch."""
    application, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if application != APPLICATION:
        if application or version or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            told = "a SQLite database of something else; nothing was changed: name another by --database"
            raise UserError(f"{quoted(path)}: {told}")
        return True
    if version > SCHEMA:
        told = f"schema {version} of a newer fedbench; this one reads {SCHEMA}; nothing was changed: update it"
        raise UserError(f"{quoted(path)}: {told}")
    sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if sound != "ok":
        raise UserError(f"{quoted(path)}: {_damage(' '.join(sound.split()))}")
    return False


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(_CREATE)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _stored(row: Row) -> tuple[object, ...]:
    body = row.document() | {
        "identity": row.identity,
        "checksum": row.checksum,
        "commit_hash": row.commit,
        "machine": row.machine,
        "median": row.median,
        "facts": json.dumps(row.document()["facts"], sort_keys=True),
        "value_list": json.dumps(row.values),
    }
    return tuple(body[name] for name in _COLUMNS)


def _restored(entry: dict[str, object], path: Path) -> Row:
    try:
        facts, values = (json.loads(str(entry[name])) for name in ("facts", "value_list"))
        own = {"commit": entry["commit_hash"], "dirty": bool(entry["dirty"]), "facts": facts, "values": values}
        row = from_document(entry | own)
        is_sound = (row.identity, row.checksum) == (entry["identity"], entry["checksum"])
    except (KeyError, TypeError, ValueError):
        is_sound = False
    if not is_sound:
        raise UserError(f"{quoted(path)}: {_damage('a row is not what was written')}")
    return row
