"""What may be set at run time: what plugins can't declare, and what requests can't bring."""

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.plugins import load_plugins
from llm_mcp_hub.providers.base import ProviderFactory
from llm_mcp_hub.providers.login_places import login_directory, login_file
from llm_mcp_hub.providers.runtime_settings import NEVER, PLACES, read_runtime_settings
from llm_mcp_hub.workers.limits import PoolLimits


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1)] = 1
    names: dict[str, str] = {}


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    executable: str = ""
    environment: dict[str, str] = {}
    config_dir: str = ""
    oauth_token_file: str = ""
    models: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    mode: Literal["a", "b"] = "a"
    level: float | None = None
    inner: Inner = Inner()
    pool: PoolLimits = PoolLimits()


class Allowed(Struct, frozen=True, forbid_unknown_fields=True):
    config_dir: Annotated[str, login_directory("login.json")] = ""
    oauth_token_file: Annotated[str, login_file()] = ""
    models: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    mode: Literal["a", "b"] = "a"
    level: float | None = None
    inner: Inner = Inner()
    pool: PoolLimits = PoolLimits()


NOWHERE = Path("/nonexistent")


def read(table: dict[str, Any], data_dir: Path = NOWHERE) -> dict[str, Any]:
    return read_runtime_settings(table, Allowed, Settings, data_dir)


def declared(**fields: Any) -> ProviderFactory:
    """A factory with run-time settings of those fields and types."""
    listed = [(name, kind, msgspec.field(default=None)) for name, kind in fields.items()]
    every = msgspec.defstruct("Every", listed, frozen=True, forbid_unknown_fields=True)
    some = msgspec.defstruct("Some", listed, frozen=True, forbid_unknown_fields=True)
    return ProviderFactory("x", lambda context: None, every, runtime_settings=some)  # type: ignore[arg-type,return-value]  # it is never made


class Colour(StrEnum):
    RED = "red"


class Loose(Struct):
    size: int = 1


class Nested(Struct, forbid_unknown_fields=True):
    base_url: str = ""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("models", tuple[str, ...]),
        ("size", int),
        ("aliases", dict[str, str]),
        ("mode", Literal["a", "b"]),
        ("colour", Colour),
        ("level", float | None),
        ("config_dir", Annotated[str, login_directory("x")]),
        ("token_file", Annotated[str, login_file()]),
        ("dirs", list[Annotated[str, login_directory("x")]]),
        ("inner", Inner),
        ("pool", PoolLimits),
    ],
)
def test_what_is_harmless_can_be_declared(name: str, kind: Any) -> None:
    assert declared(**{name: kind}).kind == "x"


@pytest.mark.parametrize("word", sorted(NEVER | PLACES))
@pytest.mark.parametrize("pattern", ["{}", "my_{}", "{}_x", "A_{}_b"])
def test_a_name_that_could_decide_what_runs_or_where_it_leads_can_not_be_declared(
    word: str, pattern: str
) -> None:
    with pytest.raises(TypeError, match="configuration file"):
        declared(**{pattern.format(word): str})


@pytest.mark.parametrize("kind", [Any, bytes, object, dict[int, str], Loose, Nested, list[Any]])
def test_a_type_that_is_not_known_to_be_harmless_can_not_be_declared(kind: Any) -> None:
    with pytest.raises(TypeError):
        declared(thing=kind)


def test_a_setting_that_is_none_can_not_be_declared() -> None:
    with pytest.raises(TypeError, match="size is no setting of Settings"):
        ProviderFactory("x", lambda context: None, Settings, runtime_settings=Loose)  # type: ignore[arg-type,return-value]  # nor is this one


def test_a_plugin_that_declares_too_much_is_left_out_with_the_reason() -> None:
    class Careless:
        @hookimpl
        def hub_register_providers(self) -> list[ProviderFactory]:
            return [declared(executable=str)]

    plugins = load_plugins([])
    plugins.add("careless", "test", Careless)
    assert plugins.provider_factories() == []
    assert "executable" in (plugins.infos[0].error or "")


def test_only_what_was_given_comes_back_typed() -> None:
    table = {
        "models": ["a-1", "org/b:2[1m]"],
        "aliases": {"fast": "a-1"},
        "mode": "b",
        "level": "2",
        "pool": {"max_workers": "3"},
        "inner": {"names": {"x": "y"}},
    }
    assert read(table) == {
        **table,
        "level": 2.0,
        "pool": {"max_workers": 3},
    }
    assert read({}) == {}


NAMES = st.one_of(
    st.text(max_size=12),
    st.sampled_from([*Settings.__struct_fields__, *NEVER, *PLACES, "api_key", "kind", "enabled"]),
)


@given(NAMES, st.recursive(st.none() | st.text(max_size=5) | st.integers(), st.lists, max_leaves=3))
def test_whatever_is_not_declared_is_refused_by_name(name: str, value: Any) -> None:
    if name in Allowed.__struct_fields__:
        return
    with pytest.raises(InvalidRequest) as refused:
        read({name: value, "models": ["a"]})
    assert refused.value.param == f"settings.{name}"
    assert f"`{name}`" in refused.value.message
    if name in Settings.__struct_fields__:
        assert "configuration file" in refused.value.message


@given(NAMES, st.text(max_size=5))
def test_without_a_declaration_everything_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_runtime_settings({name: value}, None, Settings, NOWHERE)
    assert refused.value.param == f"settings.{name}"


HARMFUL = [
    "/etc/passwd", "~/.ssh/id_rsa", "../up", "a/../../b", "--flag", "-x", "http://example",
    "file://x", "a b", "a\nb", "a\0b", "$HOME", "`id`", "a;b", "a|b", "é", "x" * 200,
]  # fmt: skip


TEXTS: list[Callable[[str], dict[str, Any]]] = [
    lambda text: {"models": ["fine", text]},
    lambda text: {"aliases": {"fine": text}},
    lambda text: {"aliases": {text: "fine"}},
    lambda text: {"inner": {"names": {"fine": text}}},
]


@pytest.mark.parametrize("text", HARMFUL)
@pytest.mark.parametrize("table", TEXTS)
def test_a_text_that_is_no_name_is_refused(
    text: str, table: Callable[[str], dict[str, Any]]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(table(text))
    assert (refused.value.param or "").startswith("settings.")


@given(st.text(max_size=20))
def test_no_text_gets_through_that_is_a_path_an_option_or_an_address(text: str) -> None:
    try:
        (value,) = read({"models": [text]})["models"]
    except InvalidRequest:
        return
    assert not value.startswith(("/", "~", ".", "-"))
    assert ".." not in value
    assert "://" not in value
    assert value.isprintable()


@pytest.fixture
def login(tmp_path: Path) -> Path:
    """A directory that is a login."""
    directory = tmp_path / "login"
    directory.mkdir(mode=0o700)
    (directory / "login.json").write_text("{}")
    (directory / "login.json").chmod(0o600)
    return directory


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "data" / "providers"
    directory.mkdir(parents=True)
    return directory


def test_a_directory_that_is_a_login_is_taken_for_what_it_really_is(
    login: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(login)
    assert read({"config_dir": str(login)}) == {"config_dir": str(login)}
    assert read({"config_dir": str(link)}) == {"config_dir": str(login)}
    assert read({"config_dir": ""}) == {"config_dir": ""}


def test_a_token_file_in_the_hubs_own_directory_is_taken(data_dir: Path) -> None:
    file = data_dir / "oauth_token"
    file.write_text("x")
    file.chmod(0o600)
    assert read({"oauth_token_file": str(file)}, data_dir) == {"oauth_token_file": str(file)}


def spoil_missing(login: Path) -> str:
    return str(login / "nothing")


def spoil_relative(login: Path) -> str:
    return os.path.relpath(login)


def spoil_no_mark(login: Path) -> str:
    (login / "login.json").unlink()
    return str(login)


def spoil_mark_is_a_link(login: Path) -> str:
    real = login.parent / "elsewhere"
    (login / "login.json").rename(real)
    (login / "login.json").symlink_to(real)
    return str(login)


def spoil_mark_is_a_directory(login: Path) -> str:
    (login / "login.json").unlink()
    (login / "login.json").mkdir()
    return str(login)


def spoil_open_directory(login: Path) -> str:
    login.chmod(0o777)
    return str(login)


def spoil_open_mark(login: Path) -> str:
    (login / "login.json").chmod(0o644)
    return str(login)


def spoil_a_file(login: Path) -> str:
    return str(login / "login.json")


def spoil_null(login: Path) -> str:
    return f"{login}\0"


def spoil_unknown_user(login: Path) -> str:
    return "~nobody-of-that-name/x"


SPOILT = [value for name, value in sorted(globals().items()) if name.startswith("spoil_")]


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_is_no_login_of_ours_is_refused_with_one_and_the_same_message(
    spoil: Any, login: Path
) -> None:
    messages = set()
    for path in (str(login.parent / "never"), spoil(login)):
        with pytest.raises(InvalidRequest) as refused:
            read({"config_dir": path})
        assert refused.value.param == "settings.config_dir"
        messages.add(refused.value.message)
    assert len(messages) == 1
    assert str(login.parent) not in messages.pop()


def test_a_directory_of_another_user_is_refused(
    login: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: login.stat().st_uid + 1)
    with pytest.raises(InvalidRequest):
        read({"config_dir": str(login)})


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_token_file_elsewhere_or_open_to_others_is_refused(
    mode: int, login: Path, data_dir: Path
) -> None:
    outside = login / "id_rsa"
    link = data_dir / "link"
    link.symlink_to(outside)
    inside = data_dir / "token"
    for file in (outside, inside):
        file.write_text("secret")
        file.chmod(mode)
    paths = [outside, link, data_dir / ".." / ".." / "login" / "id_rsa", data_dir, data_dir.parent]
    for path in [*paths, *([inside] if mode == 0o644 else [])]:
        with pytest.raises(InvalidRequest) as refused:
            read({"oauth_token_file": str(path)}, data_dir)
        assert "secret" not in refused.value.message
