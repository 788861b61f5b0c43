"""A hub's directory is locked while its hub lives; only dead hubs' directories are deleted."""

import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from llm_mcp_hub.workers.directories import (
    FRESH,
    FRESH_SECONDS,
    LOCK,
    HubDirectory,
    abandoned,
    delete,
)
from llm_mcp_hub.workers.reaper_main import sweep


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "place"
    path.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(path))
    return path


def dead() -> Path:
    """The directory of a hub that has died."""
    directory = HubDirectory.create()
    (Path(directory.make("1")) / "file").write_text("left")
    directory.close()
    return Path(directory.path)


def test_only_its_owner_may_look_into_it_and_no_two_have_the_same_name(place: Path) -> None:
    directories = [HubDirectory.create() for _ in range(20)]
    assert len({directory.name for directory in directories}) == 20
    for directory in directories:
        assert stat.S_IMODE(Path(directory.path).stat().st_mode) == 0o700
        assert stat.S_IMODE(Path(directory.make("1")).stat().st_mode) == 0o700
        directory.remove()
    assert list(place.iterdir()) == []


def test_a_sweep_deletes_what_dead_hubs_left_and_nothing_of_living_ones(place: Path) -> None:
    living = HubDirectory.create()
    gone = dead()
    sweep(str(place))
    assert not gone.exists()
    assert (Path(living.path) / LOCK).exists()
    living.remove()


def test_two_sweeps_at_once_do_not_get_into_each_others_way(place: Path) -> None:
    gone = dead()
    (found,) = abandoned(str(place))
    assert found.path == str(gone)
    for other in abandoned(str(place)):
        assert list(abandoned(str(place))) == []
        sweep(str(place))
        assert gone.exists()
        other.remove()
    assert not gone.exists()


def test_a_hub_that_is_just_starting_is_not_swept(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename
    seen = []

    def look(old: str, new: str) -> None:
        for moment in range(2):
            sweep(str(place))
            seen.append(Path(old if moment == 0 else new).is_dir())
            if moment == 0:
                rename(old, new)

    monkeypatch.setattr(os, "rename", look)
    directory = HubDirectory.create()
    assert seen == [True, True]
    directory.remove()


@pytest.mark.parametrize("locked", [False, True])
def test_what_a_hub_leaves_that_is_killed_before_it_is_named_is_swept_later(
    place: Path, locked: bool
) -> None:
    now = time.time()
    ages = {"young": FRESH_SECONDS / 2, "old": FRESH_SECONDS + 1}
    for name, age in ages.items():
        directory = place / f"{FRESH}{name}"
        directory.mkdir(mode=0o700)
        if locked:
            (directory / LOCK).touch(mode=0o600)
        os.utime(directory, (now - age, now - age))
    sweep(str(place))
    assert [left.name for left in place.iterdir()] == [f"{FRESH}young"]


def test_a_hub_that_takes_very_long_to_name_its_directory_keeps_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def late(old: str, new: str) -> None:
        os.utime(old, (0, 0))
        sweep(str(place))
        rename(old, new)

    monkeypatch.setattr(os, "rename", late)
    directory = HubDirectory.create()
    assert Path(directory.path).is_dir()
    directory.remove()
    assert list(place.iterdir()) == []


def test_a_directory_that_is_no_hubs_is_left_alone(place: Path) -> None:
    other = place / "hub-mine"
    other.mkdir(mode=0o700)
    (other / "lock").touch()
    open_to_all = dead()
    open_to_all.chmod(0o755)
    with_fifo = dead()
    (with_fifo / LOCK).unlink()
    os.mkfifo(with_fifo / LOCK)
    (place / "hub-file").touch()
    sweep(str(place))
    assert other.exists()
    assert open_to_all.exists()
    assert (place / "hub-file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_the_directory_of_another_user_is_left_alone(place: Path) -> None:
    gone = dead()
    os.chown(gone, 12345, 12345)
    sweep(str(place))
    assert gone.exists()


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Whoever runs the tests, or nobody: root may do what is forbidden."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.usefixtures("ordinary_user")
def test_what_is_protected_from_its_owner_is_deleted_all_the_same() -> None:
    with TemporaryDirectory() as elsewhere:
        precious = Path(elsewhere)
        gone = tempfile.mkdtemp()
        cache = Path(gone) / "go" / "pkg"
        cache.mkdir(parents=True)
        (cache / "file").write_text("left")
        (cache / "link").symlink_to(precious)
        precious.chmod(0o500)
        for protected in (cache, cache.parent):
            protected.chmod(0o500)
        delete(gone)
        assert not os.path.lexists(gone)
        assert stat.S_IMODE(precious.stat().st_mode) == 0o500
        precious.chmod(0o700)


def test_no_link_is_followed(place: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o700)
    (precious / LOCK).touch()
    (precious / "kept").write_text("kept")
    (place / "hub-link").symlink_to(precious)
    gone = dead()
    (gone / "1" / "link").symlink_to(precious)
    tricky = dead()
    (tricky / LOCK).unlink()
    (tricky / LOCK).symlink_to(precious / LOCK)
    assert [found.path for found in abandoned(str(place))] == [str(gone)]
    sweep(str(place))
    assert not gone.exists()
    assert tricky.exists()
    assert (precious / "kept").read_text() == "kept"


def test_what_holds_the_lock_open_keeps_the_directory(place: Path) -> None:
    directory = HubDirectory.create()
    held = os.dup(directory.lock)
    directory.close()
    sweep(str(place))
    assert Path(directory.path).exists()
    os.close(held)
    sweep(str(place))
    assert not Path(directory.path).exists()


def test_a_place_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    sweep(str(tmp_path / "absent"))
