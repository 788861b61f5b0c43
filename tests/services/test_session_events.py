"""Listeners hear of every change, and one that fails disturbs nobody."""

from llm_mcp_hub.services.session_events import SessionEvents


def test_every_listener_hears_of_a_change_until_it_stops():
    events, first, second = SessionEvents(), [], []
    stop = events.listen(lambda *change: first.append(change))
    events.listen(lambda *change: second.append(change))
    events.changed("ann", "s")
    stop()
    stop()
    events.changed("ann", "t")
    assert first == [("ann", "s")]
    assert second == [("ann", "s"), ("ann", "t")]


def test_one_listener_may_listen_twice_and_stop_once():
    events, heard = SessionEvents(), []

    def listener(_principal, session_id):
        heard.append(session_id)

    stop = events.listen(listener)
    events.listen(listener)
    stop()
    events.changed("ann", "s")
    assert heard == ["s"]


def test_a_listener_that_fails_or_leaves_meanwhile_disturbs_no_other():
    events, heard = SessionEvents(), []

    def fails(_principal, _session_id):
        stop()
        raise ValueError

    stop = events.listen(fails)
    events.listen(lambda *change: heard.append(change))
    events.changed("ann", "s")
    events.changed("ann", "s")
    assert heard == [("ann", "s")] * 2
