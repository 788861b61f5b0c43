"""Access tokens: shown once, hashed, compared in constant time, and worthless once revoked."""

import asyncio
import hashlib
import hmac

import pytest

from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.errors import (
    InvalidRequest,
    NameTaken,
    NotAuthenticated,
    NotPermitted,
    UnknownAccessToken,
)
from llm_mcp_hub.services import access as access_module
from llm_mcp_hub.services.access import LOCAL, AccessService, require
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def access(store, clock):
    return AccessService(store, enabled=True, clock=clock)


async def test_a_token_stands_for_its_principal(access):
    token, text = await access.create("n8n", [Scope.CHAT])

    assert await access.authenticate(text) == Principal(
        "n8n", frozenset({Scope.CHAT}), token_id=token.id
    )


async def test_only_the_hash_of_the_secret_is_stored(access, store):
    token, text = await access.create("n8n", [Scope.CHAT])
    secret = text.rpartition(f"{token.id}-")[2]

    assert (await store.list_tokens())[0].secret_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(await access.list())


@pytest.mark.parametrize("spoil", [
    lambda text: text[:-1],
    lambda text: text + "x",
    lambda text: text + "\n",
    lambda text: text.upper(),
    lambda text: text[:20] + "A" * 43,
    lambda text: "hub-000000000000-" + text[-43:],
    lambda _: "nonsense",
    lambda _: "\ud800",
    lambda _: "",
    lambda _: None,
])  # fmt: skip
async def test_anything_but_the_very_token_is_refused(access, spoil):
    _, text = await access.create("n8n", [Scope.CHAT])

    with pytest.raises(NotAuthenticated) as failure:
        await access.authenticate(spoil(text))
    assert text not in failure.value.message


async def test_secrets_are_compared_in_constant_time(access, monkeypatch):
    _, text = await access.create("n8n", [Scope.CHAT])
    compared, compare = [], hmac.compare_digest
    monkeypatch.setattr(
        access_module.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or compare(a, b)
    )
    await access.authenticate(text)

    assert [(len(one), len(two)) for one, two in compared] == [(64, 64)]


async def test_a_token_ends_when_it_says(access, clock):
    _, text = await access.create("brief", [Scope.CHAT], expires_at=1010.0)
    clock.now = 1009.9
    await access.authenticate(text)
    clock.now = 1010.0

    with pytest.raises(NotAuthenticated, match="expired"):
        await access.authenticate(text)


async def test_a_revoked_token_is_worthless_at_once(access):
    _, text = await access.create("gone", [Scope.CHAT])
    await access.authenticate(text)
    await access.revoke("gone")

    with pytest.raises(NotAuthenticated):
        await access.authenticate(text)


async def test_a_look_up_during_the_revocation_does_not_bring_it_back(access, store):
    _, text = await access.create("gone", [Scope.CHAT])
    reading, go_on, real = asyncio.Event(), asyncio.Event(), store.get_token

    async def slow(token_id):
        token = await real(token_id)
        reading.set()
        await go_on.wait()
        return token

    store.get_token = slow
    late = asyncio.create_task(access.authenticate(text))
    await reading.wait()
    store.get_token = real
    await access.revoke("gone")
    go_on.set()

    with pytest.raises(NotAuthenticated):
        await late
    with pytest.raises(NotAuthenticated):
        await access.authenticate(text)


async def test_a_token_revoked_elsewhere_is_worthless_within_seconds(access, store, clock):
    _, text = await access.create("gone", [Scope.CHAT])
    await access.authenticate(text)
    await store.delete_token("gone")
    clock.now += access_module.CACHE_SECONDS

    with pytest.raises(NotAuthenticated):
        await access.authenticate(text)


@pytest.mark.parametrize("end", [253_402_300_800.0, 1e24, float("inf"), float("nan")])
async def test_an_end_beyond_all_calendars_is_refused_before_anything_is_stored(access, end):
    with pytest.raises(InvalidRequest, match="year 10,000"):
        await access.create("late", [Scope.CHAT], expires_at=end)
    assert await access.list() == ()


async def test_a_clock_that_is_set_back_keeps_no_revoked_token_alive(access, store, clock):
    _, text = await access.create("gone", [Scope.CHAT])
    await access.authenticate(text)
    await store.delete_token("gone")
    clock.now -= 3600

    with pytest.raises(NotAuthenticated):
        await access.authenticate(text)


async def test_a_token_is_looked_up_once_in_a_while(access, store):
    _, text = await access.create("busy", [Scope.CHAT])
    calls, real = [], store.get_token

    async def counting(token_id):
        calls.append(token_id)
        return await real(token_id)

    store.get_token = counting
    for _ in range(5):
        await access.authenticate(text)

    assert len(calls) == 1


async def test_the_first_token_is_made_once(access):
    first = await access.create_first()

    assert first is not None
    assert (await access.authenticate(first)).may(Scope.ADMIN)
    assert await access.create_first() is None


async def test_of_two_hubs_that_start_together_one_makes_the_first_token(store):
    hubs = [AccessService(store, enabled=True) for _ in range(2)]
    real = store.list_tokens

    async def slow():
        tokens = await real()
        await asyncio.sleep(0)
        return tokens

    store.list_tokens = slow
    made = await asyncio.gather(*(hub.create_first() for hub in hubs))

    assert sorted(text is None for text in made) == [False, True]


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 65, "a\n", "é"])
async def test_a_name_that_will_not_do(access, name):
    with pytest.raises(InvalidRequest) as failure:
        await access.create(name, [Scope.CHAT])
    assert failure.value.param == "name"


async def test_a_name_that_is_taken(access):
    await access.create("same", [Scope.CHAT])

    with pytest.raises(NameTaken):
        await access.create("same", [Scope.CHAT])
    with pytest.raises(NameTaken):
        await access.create(LOCAL.name, [Scope.CHAT])


async def test_a_token_without_scopes_is_refused(access):
    with pytest.raises(InvalidRequest):
        await access.create("nothing", [])


async def test_revoking_what_is_not_there(access):
    with pytest.raises(UnknownAccessToken):
        await access.revoke("nobody")


async def test_without_access_control_everyone_is_the_local_principal(store):
    access = AccessService(store, enabled=False)

    assert await access.authenticate(None) == LOCAL
    assert await access.authenticate("nonsense") == LOCAL
    assert await access.create_first() is None


@pytest.mark.parametrize("held", list(Scope))
@pytest.mark.parametrize("needed", list(Scope))
def test_admin_includes_the_other_scopes_and_none_else_does(held, needed):
    who = Principal("x", frozenset({held}))
    if held in (needed, Scope.ADMIN):
        require(who, needed)
    else:
        with pytest.raises(NotPermitted, match=needed.value):
            require(who, needed)
