"""A fake back end answers as it was told, in a dialect as small as can be."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest
from aiohttp import web

from llm_mcp_hub.testing.vendor_script import VendorReply, VendorRequest, pieces
from llm_mcp_hub.testing.vendor_server import VendorServer


class Request(VendorRequest):
    @property
    def last_user_text(self) -> str:
        return str(self.body["said"])


class PlainServer(VendorServer[Request, VendorReply]):
    def __init__(self) -> None:
        super().__init__(Request, VendorReply(pieces=3))

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/say", self._say)

    async def _say(self, http: web.Request) -> web.StreamResponse:
        return await self.take(http, await self.read(http))

    async def answer(
        self, http: web.Request, request: Request, reply: VendorReply
    ) -> web.StreamResponse:
        if reply.status != 200:
            return web.Response(status=reply.status, text=reply.error)
        response = web.StreamResponse()
        await response.prepare(http)
        parts = pieces(request.text_of(reply), reply.pieces)
        for part in parts:
            if await self.breaks_off(request, reply, len(parts)):
                self.cut(http, request)
                break
            await response.write(part.encode())
            self.count(request)
        return response


@pytest.fixture
def server() -> Iterator[PlainServer]:
    with PlainServer() as running:
        yield running


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def say(server: PlainServer, text: str) -> httpx.Response:
    return httpx.post(f"{server.url}/say", json={"said": text}, trust_env=False)


def test_a_request_is_recorded_and_echoed(server: PlainServer) -> None:
    assert say(server, "hello").text == "echo: hello"
    [request] = server.requests
    server.wait(lambda: request.state == "done")
    assert (request.path, request.body, request.sent) == ("/say", {"said": "hello"}, 3)
    assert request.headers["content-type"] == "application/json"


def test_the_script_goes_before_the_default_and_a_reset_forgets_both(server: PlainServer) -> None:
    server.script(VendorReply(status=418, error="teapot"), VendorReply(text="second"))
    server.default = lambda request: VendorReply(text=request.last_user_text.upper())
    first = say(server, "a")
    assert (first.status_code, first.text) == (418, "teapot")
    assert [say(server, "b").text, say(server, "c").text] == ["second", "C"]
    server.script(VendorReply(text="never"))
    server.reset()
    assert server.requests == []
    assert say(server, "d").text == "echo: d"


def test_what_is_held_goes_on_when_it_is_released(
    server: PlainServer, background: ThreadPoolExecutor
) -> None:
    server.script(VendorReply(text="abcdef", pieces=3, hold_after=1))
    answer: Future[httpx.Response] = background.submit(say, server, "hi")
    server.wait(lambda: [request.sent for request in server.requests] == [1])
    assert not answer.done()
    server.release()
    assert answer.result(10).text == "abcdef"


@pytest.mark.parametrize(("hold_after", "sent"), [(None, 1), (2, 2)])
def test_an_answer_is_cut_in_the_middle_or_where_it_was_held(
    server: PlainServer, hold_after: int | None, sent: int
) -> None:
    server.release()
    server.script(VendorReply(text="abc", pieces=3, hold_after=hold_after, then="cut"))
    with pytest.raises(httpx.TransportError):
        say(server, "hi")
    [request] = server.requests
    server.wait(lambda: request.state == "cut")
    assert request.sent == sent


def test_a_request_whose_client_leaves_is_aborted(server: PlainServer) -> None:
    server.script(VendorReply(hang=True))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/say", json={"said": "hi"}, timeout=0.5, trust_env=False)
    server.wait(lambda: [request.state for request in server.requests] == ["aborted"])


def test_what_is_on_no_known_path_is_noted_and_answered_with_nothing(server: PlainServer) -> None:
    assert httpx.get(f"{server.url}/else?a=1", trust_env=False).json() == {}
    assert server.others == ["GET /else?a=1"]
    assert server.requests == []


def test_waiting_for_what_does_not_come_ends(server: PlainServer) -> None:
    with pytest.raises(TimeoutError, match="PlainServer"):
        server.wait(lambda: False, seconds=0.05)
