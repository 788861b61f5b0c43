"""One directory for all private files of a hub's workers; standard library only.

Guarantees: its name can't be guessed and only its owner may look into it; it is locked for as long
as its hub or that hub's reaper lives, from the moment it has its name; only directories of one's
own whose lock is free are ever deleted, and no link is followed. What a hub leaves that is killed
before that moment is deleted a minute later, by whoever looks then.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PREFIX = "hub-"
FRESH = ".llm-mcp-hub-"
"""What its name begins with until it is locked, which takes microseconds."""
FRESH_SECONDS = 60.0
"""Nobody is still at that after so long."""
LOCK = ".llm-mcp-hub-lock"
"""Without this file a directory is no hub's: left alone."""


class HubDirectory:
    """A directory that is locked until `close`. Made by `create`.

    Attributes:
        path: Where it is. Its last part names the hub wherever workers are told apart.
        lock: Descriptor of the lock; whoever else holds it open keeps the directory.
    """

    __slots__ = ("lock", "path")

    def __init__(self, path: str, lock: int) -> None:
        self.path = path
        self.lock = lock

    @classmethod
    def create(cls) -> "HubDirectory":
        """Make one where temporary files belong.

        Raises:
            OSError: There is no place for it.
        """
        import tempfile  # noqa: PLC0415  # the reaper has no use for its two megabytes

        fresh = tempfile.mkdtemp(prefix=FRESH)
        place, name = os.path.split(fresh)
        path = os.path.join(place, PREFIX + name.removeprefix(FRESH))  # noqa: PTH118
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            lock = os.open(os.path.join(fresh, LOCK), flags, 0o600)  # noqa: PTH118
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Never there unlocked, so a sweep can't mistake a starting hub for a dead one.
                os.rename(fresh, path)  # noqa: PTH104
            except BaseException:
                os.close(lock)
                raise
        except BaseException:
            delete(fresh)
            raise
        return cls(path, lock)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.path)  # noqa: PTH119

    def make(self, name: str) -> str:
        """Make a directory in it.

        Raises:
            OSError: That is not possible.
        """
        path = os.path.join(self.path, name)  # noqa: PTH118
        os.mkdir(path, 0o700)  # noqa: PTH102
        return path

    def remove(self) -> None:
        """Delete it with all that is in it, then let go of the lock."""
        delete(self.path)
        self.close()

    def close(self) -> None:
        """Let go of the lock. Whoever else holds it keeps it."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1


def abandoned(place: str) -> Iterator[HubDirectory]:
    """The directories of dead hubs in `place`, each locked while the caller looks at it."""
    with suppress(OSError), os.scandir(place) as entries:
        names = [entry.name for entry in entries if entry.name.startswith((PREFIX, FRESH))]
        for name in names:
            with _take_over(os.path.join(place, name)) as found:  # noqa: PTH118
                if found is not None:
                    yield found


def delete(path: str) -> None:
    """Delete a directory with all that is in it, also where its owner has forbidden himself to."""
    import shutil  # noqa: PLC0415  # as above: only when there is something to delete

    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        # Some tools protect what they have downloaded from themselves.
        _unprotect(path)
        for directory, names, _ in os.walk(path):
            for name in names:  # before they are walked
                _unprotect(os.path.join(directory, name))  # noqa: PTH118
        shutil.rmtree(path, ignore_errors=True)


def _unprotect(path: str) -> None:
    if not os.path.islink(path):  # noqa: PTH114
        with suppress(OSError):
            os.chmod(path, 0o700)  # noqa: PTH101


@contextmanager
def _take_over(path: str) -> Iterator[HubDirectory | None]:
    found = None
    with suppress(OSError):  # gone, no hub's, somebody else's, or in use
        found = _lock_present(path)
    try:
        yield found
    finally:
        if found is not None:
            found.close()


def _lock_present(path: str) -> HubDirectory | None:
    parent = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        seen = os.fstat(parent)
        if seen.st_uid != os.geteuid() or stat.S_IMODE(seen.st_mode) & 0o077:
            return None
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        if os.path.basename(path).startswith(FRESH):  # noqa: PTH119
            if time.time() - seen.st_mtime < FRESH_SECONDS:
                return None
            flags |= os.O_CREAT
        lock = os.open(LOCK, flags, 0o600, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(lock)
        raise
    return HubDirectory(path, lock)
