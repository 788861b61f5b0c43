"""Promises about access tokens: found, changed, and remembered by when they were used."""

import msgspec

from llm_mcp_hub.domain.access import AccessToken, Scope
from llm_mcp_hub.domain.limits import TokenLimits
from llm_mcp_hub.errors import NameTaken
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_promise import START, Promises, equal, present, refused

promise = Promises()


@promise("access tokens are found by id, listed by name, and deleted by name")
async def _tokens(store: Store) -> None:
    cli = AccessToken("id-2", "cli", frozenset({Scope.CHAT}), "ab" * 32, START, START + 0.1)
    admin = AccessToken("id-1", "ädmin", frozenset(Scope), "cd" * 32, START)
    equal(await store.list_tokens(), (), "the list at first")
    await store.add_token(admin)
    await store.add_token(cli)
    equal(await store.get_token("id-2"), cli, "get_token")
    equal(await store.get_token("id-1"), admin, "get_token of one that never expires")
    equal(await store.get_token("cli"), None, "get_token of a name")
    equal(await store.list_tokens(), (cli, admin), "the list")
    equal(await store.delete_token("id-2"), False, "delete_token of an id")
    equal(await store.delete_token("cli"), True, "delete_token")
    equal(await store.delete_token("cli"), False, "delete_token again")
    equal(await store.get_token("id-2"), None, "get_token of a deleted one")
    equal(await store.list_tokens(), (admin,), "the list at last")
    await store.add_token(cli)
    equal(await store.get_token("id-2"), cli, "get_token of one added again")


@promise("a second access token of a name or an id is refused and changes nothing")
async def _names(store: Store) -> None:
    first = AccessToken("id-1", "cli", frozenset({Scope.CHAT}), "ab" * 32, START)
    same_name = AccessToken("id-2", "cli", frozenset(Scope), "cd" * 32, START)
    same_id = AccessToken("id-1", "other", frozenset(Scope), "cd" * 32, START)
    await store.add_token(first)
    await refused(store.add_token(same_name), NameTaken, "the same name")
    await refused(store.add_token(same_id), NameTaken, "the same id")
    equal(await store.get_token("id-1"), first, "the first")
    equal(await store.get_token("id-2"), None, "the refused")
    equal(await store.list_tokens(), (first,), "the list")


@promise("an access token is replaced by one of its id and name, and by no other")
async def _update(store: Store) -> None:
    first = AccessToken("id-1", "cli", frozenset({Scope.CHAT}), "ab" * 32, START)
    other = AccessToken("id-2", "other", frozenset({Scope.CHAT}), "cd" * 32, START)
    await store.add_token(first)
    await store.add_token(other)
    limits = TokenLimits(requests_per_minute=3, tokens_per_day=10**12)
    changed = msgspec.structs.replace(first, scopes=frozenset(Scope), limits=limits)
    equal(await store.update_token(changed), True, "update_token")
    equal(await store.get_token("id-1"), changed, "get_token")
    for wrong in ({"id": "id-3"}, {"name": "new"}, {"name": "other"}, {"id": "id-2"}):
        unknown = msgspec.structs.replace(first, **wrong)
        equal(await store.update_token(unknown), False, f"update_token with {wrong}")
    equal(await store.list_tokens(), (changed, other), "the list")
    await store.delete_token("cli")
    equal(await store.update_token(first), False, "update_token of a deleted one")
    equal(await store.list_tokens(), (other,), "the list at last")


@promise("the latest use of an access token is remembered as long as the token is there")
async def _uses(store: Store) -> None:
    for number in (1, 2, 3):
        name, secret = f"name-{number}", f"{number}" * 64
        token = AccessToken(f"id-{number}", name, frozenset({Scope.CHAT}), secret, START)
        await store.add_token(token)
    equal(await store.token_uses(), {}, "uses at first")
    await store.note_token_uses({"id-1": START + 5.25, "id-2": START, "id-9": START})
    await store.note_token_uses({"id-1": START + 1, "id-2": START + 2})
    equal(await store.token_uses(), {"id-1": START + 5.25, "id-2": START + 2}, "uses")
    same = present(await store.get_token("id-1"), "get_token")
    equal(await store.update_token(same), True, "update_token")
    await store.delete_token("name-2")
    equal(await store.token_uses(), {"id-1": START + 5.25}, "uses once one is deleted")
