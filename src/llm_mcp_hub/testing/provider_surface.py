"""Promises about what a provider tells of itself."""

import re
import time

import msgspec

from llm_mcp_hub.domain.status import (
    CredentialState,
    CredentialStatus,
    ProviderState,
    ProviderStatus,
    credential_state,
)
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.base import Provider
from llm_mcp_hub.testing.io_watch import only_small_reads
from llm_mcp_hub.testing.promise import equal, require
from llm_mcp_hub.testing.provider_trial import Promises, Trial, new_words, opened

MODEL_NAME = re.compile(r"[^\s/][^\s]{0,199}")
START_SECONDS = 2.0
"""A `start` that takes longer does in the foreground what belongs in the background."""
LATEST = 1e11
"""Unix seconds of a time that is far away; milliseconds are beyond it."""

promise = Promises()


@promise("models never raises, not even before the start, and lists each model once")
async def _models(trial: Trial) -> None:
    provider = trial.fresh()
    for when in ("before the start", "after it"):
        cards = await provider.models()
        require(cards, f"no model {when}")
        names = [card.name for card in cards]
        equal(len(set(names)), len(names), f"different names {when}")
        for name in names:
            require(MODEL_NAME.fullmatch(name), f"{name!r} can't be the name of a model")
        await provider.start()


@promise("the first model of the list is the default one, and can be asked")
async def _default(trial: Trial) -> None:
    provider = await trial.started()
    name = (await provider.models())[0].name
    async with opened(provider, trial.request(trial.say(*new_words(1)), model=name)) as stream:
        require([batch async for batch in stream], f"no answer from {name}")
    cards = await provider.models()
    equal(cards[0].name, name, "the first model after a turn")


@promise("start returns at once and does not raise")
async def _start(trial: Trial) -> None:
    provider = trial.fresh()
    before = time.monotonic()
    await provider.start()
    took = time.monotonic() - before
    require(took < START_SECONDS, f"start took {took:.1f} s")


@promise("status, workers and credential_status do nothing but read small local files")
async def _no_io(trial: Trial) -> None:
    provider = trial.fresh()
    _look(provider, "before the start")
    await trial.start(provider)
    _look(provider, "after the start")
    async with opened(provider, trial.request(trial.say(*new_words(1)))) as stream:
        async for _ in stream:
            _look(provider, "during a turn")
    _look(provider, "after a turn")
    await provider.aclose()
    _look(provider, "after aclose")


def _look(provider: Provider, when: str) -> None:
    for name in ("status", "workers", "credential_status"):
        with only_small_reads(f"{name} {when}"):
            getattr(provider, name)()


@promise("a provider that is unavailable says why, and one that has answered is available")
async def _status(trial: Trial) -> None:
    provider = await trial.started()
    _sound(provider.status(), "before a turn")
    await trial.answer(provider, trial.say(*new_words(1)))
    status = provider.status()
    _sound(status, "after a turn")
    equal(status.state, ProviderState.AVAILABLE, "state after a turn")


def _sound(status: ProviderStatus, when: str) -> None:
    unavailable = status.state is ProviderState.UNAVAILABLE
    require(status.reason or not unavailable, f"unavailable without a reason {when}")
    require(unavailable or not status.reason, f"a reason but not unavailable {when}")


@promise("a credential status fits its dates, and says what to do about a login that is at its end")
async def _credential(trial: Trial) -> None:
    provider = await trial.started()
    _plausible(provider.credential_status(), "before a turn")
    await trial.answer(provider, trial.say(*new_words(1)))
    status = provider.credential_status()
    _plausible(status, "after a turn")
    if status is not None:
        usable = (CredentialState.READY, CredentialState.EXPIRING, CredentialState.UNKNOWN)
        require(status.state in usable, f"an answer came from a login that is {status.state}")
        require(status.verified_at, "an answer came, but the login counts as never verified")


def _plausible(status: CredentialStatus | None, when: str) -> None:
    if status is None:
        return
    now = time.time()
    if status.state in (CredentialState.MISSING, CredentialState.EXPIRED):
        require(status.message, f"{status.state} without a message {when}")
        require(status.remedy, f"{status.state} without a remedy {when}")
    if status.verified_at is not None:
        require(0 < status.verified_at <= now, f"verified_at is {status.verified_at} {when}")
    if status.expires_at is not None:
        require(0 < status.expires_at < LATEST, f"expires_at is {status.expires_at} {when}")
        if status.state in (CredentialState.EXPIRED, CredentialState.EXPIRING):
            equal(status.state, credential_state(status.expires_at, now), f"state {when}")


@promise("no status, model, error or representation shows a secret", "secrets")
async def _secrets(trial: Trial) -> None:
    provider = await trial.started()
    shown = [repr(provider), *_shown(provider)]
    await trial.answer(provider, trial.say(*new_words(1)))
    shown += _shown(provider)
    shown += [repr(card) for card in await provider.models()]
    for request in (
        trial.request("hello", model="no-such-model"),
        trial.request(trial.abilities.fails or "hello"),
    ):
        try:
            async with opened(provider, request) as stream:
                shown += [repr(batch) async for batch in stream]
        except HubError as error:
            shown.append(f"{error} {error!r} {error.message}")
    for text in shown:
        for secret in trial.abilities.secrets:
            require(secret not in text, f"a secret in {text.replace(secret, '(secret)')}")


def _shown(provider: Provider) -> list[str]:
    every = [provider.status(), provider.credential_status(), *provider.workers()]
    return [msgspec.json.encode(each).decode() for each in every] + [repr(each) for each in every]
