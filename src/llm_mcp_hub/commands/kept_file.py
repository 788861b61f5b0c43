"""Changing a file that belongs to somebody else: read, change, keep what was there, replace.

Guarantee: at every moment the file is either as it was or as it is to be, whole; what was there is
in a backup beside it; a change that somebody else makes meanwhile is not overwritten.
"""

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from llm_mcp_hub.errors import InvalidRequest

PRIVATE = 0o600
TRIES = 5
"""How often a change is made again because the file has changed meanwhile."""


class Change(Struct, frozen=True):
    """What became of a file.

    Attributes:
        file: Where it really is, symbolic links followed.
        changed: Whether its text is another now.
        backup: What was there before, if anything was.
    """

    file: Path
    changed: bool
    backup: Path | None = None


def read(file: Path) -> str | None:
    """The text of a file, or None if there is none.

    Raises:
        InvalidRequest: It can't be read, or is not UTF-8.
    """
    try:
        return file.read_bytes().decode()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidRequest(f"{file} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidRequest(f"{file} is not UTF-8. It was left as it is.") from None


def change(file: Path, edit: Callable[[str], str], *, private: bool) -> Change:
    """Replace the text of a file by what `edit` makes of it.

    Args:
        file: It and its folder are made if there are none, for their owner alone.
        edit: Gets the text, empty if there is none; may be called more than once.
        private: Nobody but the owner may read the file from now on.

    Raises:
        InvalidRequest: The file can't be read or written, or keeps changing.
    """
    file = Path(os.path.realpath(file))
    for _ in range(TRIES):
        before = read(file)
        mark = "\ufeff" if before and before.startswith("\ufeff") else ""
        after = mark + edit((before or "").removeprefix(mark))
        try:
            mode = PRIVATE if private or before is None else stat.S_IMODE(file.stat().st_mode)
            if after == before:
                file.chmod(mode)
                return Change(file, changed=False)
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            backup = None if before is None else _back_up(file, before, mode)
            if _replace(file, before, after, mode):
                return Change(file, changed=True, backup=backup)
            if backup is not None:
                backup.unlink()
        except OSError as error:
            raise InvalidRequest(f"{file} can't be written: {error.strerror}.") from None
    raise InvalidRequest(f"{file} keeps changing. Close the program that uses it and try again.")


def write_private(file: Path, text: str) -> None:
    """Write a file of our own for its owner alone, whatever the umask; nothing is kept of it.

    Raises:
        InvalidRequest: It can't be written.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(file, read(file), text, PRIVATE)
    except OSError as error:
        raise InvalidRequest(f"{file} can't be written: {error.strerror}.") from None


def _back_up(file: Path, text: str, mode: int) -> Path:
    """A copy that is nobody else's name and no easier to read than the file."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in range(1000):
        backup = file.with_name(f"{file.name}.{stamp}{f'-{number}' if number else ''}.bak")
        with suppress(FileExistsError):
            descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
                stream.write(text)
            return backup
    raise InvalidRequest(f"{file} has a thousand backups of this second. Move some away.")


def _replace(file: Path, before: str | None, after: str, mode: int) -> bool:
    """Put a text in the place of another; False if that other one is not there any more."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(after)
            stream.flush()
            os.fsync(descriptor)
        new.chmod(mode)
        if read(file) != before:
            return False
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    return True
