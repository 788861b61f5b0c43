"""Every store keeps every promise of `state.base`."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_histories import compare_with_model
from llm_mcp_hub.testing.store_suite import STORE_PROMISES, check_promise

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]

HISTORIES = 60


@pytest.mark.parametrize(
    "number",
    range(1, len(STORE_PROMISES) + 1),
    ids=[promise.text for promise in STORE_PROMISES],
)
def test_a_store_keeps_the_promise(open_store: OpenStore, number: int) -> None:
    check_promise(number, open_store)


def test_a_store_does_what_the_model_does_in_any_history(open_store: OpenStore) -> None:
    compare_with_model(open_store, HISTORIES)


def test_promises_are_told_apart_by_their_texts() -> None:
    texts = [promise.text for promise in STORE_PROMISES]
    assert len(set(texts)) == len(texts)
