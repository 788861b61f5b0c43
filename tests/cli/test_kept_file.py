"""Changing somebody else's file."""

import os
import stat

import pytest

from llm_mcp_hub.commands import kept_file
from llm_mcp_hub.commands.kept_file import change, write_private
from llm_mcp_hub.errors import InvalidRequest


def mode(file):
    return stat.S_IMODE(file.stat().st_mode)


def others(file):
    return sorted(one for one in file.parent.iterdir() if one != file)


def test_a_new_file_and_its_folder_are_for_their_owner_alone(tmp_path):
    file = tmp_path / "new" / "a.json"
    done = change(file, lambda text: text + "x", private=False)
    assert (file.read_text(), mode(file), mode(file.parent)) == ("x", 0o600, 0o700)
    assert done.changed
    assert done.backup is None
    assert others(file) == []


def test_what_was_there_is_in_a_backup_and_the_mode_stays(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(b"old\r\n")
    file.chmod(0o644)
    done = change(file, lambda text: text.upper(), private=False)
    assert file.read_bytes() == b"OLD\r\n"
    assert mode(file) == 0o644
    assert done.backup is not None
    assert others(file) == [done.backup]
    assert done.backup.read_bytes() == b"old\r\n"


def test_a_file_that_holds_a_secret_from_now_on_is_private_and_so_is_its_backup(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("old")
    file.chmod(0o644)
    done = change(file, lambda _: "secret", private=True)
    assert mode(file) == 0o600
    assert mode(done.backup) == 0o600


def test_no_change_leaves_no_backup_but_mends_the_mode(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("same")
    file.chmod(0o644)
    before = file.stat().st_ino
    done = change(file, lambda text: text, private=True)
    assert not done.changed
    assert (mode(file), file.stat().st_ino, others(file)) == (0o600, before, [])


def test_backups_of_one_second_do_not_overwrite_each_other(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("0")
    for _ in range(3):
        change(file, lambda text: str(int(text) + 1), private=False)
    assert sorted(one.read_text() for one in others(file)) == ["0", "1", "2"]


def test_a_link_stays_a_link(tmp_path):
    real = tmp_path / "dotfiles" / "a.json"
    real.parent.mkdir()
    real.write_text("old")
    link = tmp_path / "a.json"
    link.symlink_to(real)
    done = change(link, lambda _: "new", private=False)
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert done.file == real


def test_a_byte_order_mark_stays(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(b"\xef\xbb\xbf{}")
    change(file, lambda text: text.replace("{}", "[]"), private=False)
    assert file.read_bytes() == b"\xef\xbb\xbf[]"


def test_a_change_that_somebody_makes_meanwhile_is_not_lost(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("a")

    def edit(text):
        if text == "a":
            file.write_text("ab")
        return text + "!"

    done = change(file, edit, private=False)
    assert file.read_text() == "ab!"
    assert [one.read_text() for one in others(file)] == ["ab"]
    assert done.backup is not None


def test_a_file_that_never_rests_is_given_up(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("a")

    def edit(text):
        file.write_text(text + "a")
        return "ours"

    with pytest.raises(InvalidRequest, match="keeps changing"):
        change(file, edit, private=False)
    assert file.read_text() == "a" * (kept_file.TRIES + 1)
    assert others(file) == []


def test_an_edit_that_fails_leaves_everything_as_it_was(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("a")

    def edit(text):
        raise ValueError(text)

    with pytest.raises(ValueError, match="a"):
        change(file, edit, private=False)
    assert file.read_text() == "a"
    assert others(file) == []


def test_what_is_not_utf_8_is_refused(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(b"\xff\xfe{\x00")
    with pytest.raises(InvalidRequest, match="UTF-8"):
        change(file, lambda text: text, private=False)


def test_a_place_that_can_t_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match="can't be"):
        change(tmp_path / "file" / "a.json", lambda _: "x", private=False)


def test_a_private_file_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        for text in ("secret", "another"):
            write_private(tmp_path / "new" / "t", text)
    finally:
        os.umask(before)
    file = tmp_path / "new" / "t"
    assert (file.read_text(), mode(file), mode(file.parent)) == ("another", 0o600, 0o700)
    assert others(file) == []
