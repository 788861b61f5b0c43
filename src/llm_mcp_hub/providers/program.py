"""Whether the program that workers are started from is still the same.

A vendor's tool is updated under a running hub: by its package manager, or by a person. What the
hub can see of that, without running it, is the files that its command line names.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple


class ProgramFile(NamedTuple):
    """What tells one version of a file from another."""

    path: str
    device: int
    inode: int
    modified_ns: int
    size: int


Program = tuple[ProgramFile, ...]


def identify(argv: Sequence[str]) -> Program:
    """The files a command line names by an absolute path: the program, and a script it runs.

    Symbolic links are followed, so a link that is turned to another version is another program.
    A file that does not exist is left out: while an update is written there may be none, and
    that is a difference too.

    It looks at files, which takes some microseconds on a local disk.
    """
    found: list[ProgramFile] = []
    for argument in argv:
        # Not with `pathlib`, which takes twice as long: it is done for each worker.
        if not os.path.isabs(argument):  # noqa: PTH117
            continue
        try:
            path = os.path.realpath(argument)
            status = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError):  # ValueError: a null byte
            continue
        found.append(
            ProgramFile(path, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        )
    return tuple(found)
