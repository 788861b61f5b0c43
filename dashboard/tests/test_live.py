"""What happens at the hub is on an open page within seconds."""

import time

import pytest

from llm_mcp_hub.testing.redis_server import redis_server, redis_server_binary

from .conftest import HYDRATE

SEEN_WITHIN = 5.0
HEALTH = "overview.health_rx_state_"

needs_redis = pytest.mark.skipif(redis_server_binary() is None, reason="no redis-server")


def state_of(known):
    return (known.get(HEALTH) or {}).get("state_colour")


@pytest.mark.redis
@needs_redis
def test_a_state_store_that_goes_is_seen_within_five_seconds_and_so_is_its_return(
    make_hub, new_visitor
):
    with redis_server() as redis, make_hub(state=redis.url) as hub:
        admin = new_visitor(hub)
        admin.sign_in()
        tab = admin.tab()
        tab.send(HYDRATE)
        known = tab.wait_for(lambda known: state_of(known) == "green")
        assert known[HEALTH]["state_kind"] == "Redis"
        redis.stop()
        gone = time.monotonic()
        known = tab.wait_for(lambda known: state_of(known) == "red")
        assert time.monotonic() - gone < SEEN_WITHIN
        assert known[HEALTH]["status"] == "unhealthy"
        redis.start()
        tab.wait_for(lambda known: state_of(known) == "green")


def test_what_does_not_change_is_not_sent_again(admin, hub):
    tab = admin.tab()
    tab.send(HYDRATE)
    tab.wait_for(lambda known: known.get("overview.phase_rx_state_") == "ready")
    end = time.monotonic() + 5
    sent = 0
    while (left := end - time.monotonic()) > 0:
        text = tab.socket.receive(left)
        sent += text is not None and text not in {"2", "3"} and HEALTH.partition(".")[2] in text
    assert sent == 0
