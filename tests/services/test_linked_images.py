"""Images by URL, from a real TLS server on loopback whose address passes for a public one."""

import asyncio
import base64
import ssl

import pytest
from tests.certificates import Certificate, self_signed

from llm_mcp_hub.config import ImagesConfig
from llm_mcp_hub.domain.chat import ImagePart, Message, TextPart, ToolResultPart
from llm_mcp_hub.domain.linked_image import linked_image
from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.services.images import image_type
from llm_mcp_hub.services.linked_images import LinkedImages
from llm_mcp_hub.services.public_fetch import PublicFetcher

pytestmark = pytest.mark.anyio
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
JPEG = b"\xff\xd8\xff\xe0" + bytes(40)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for images.test, and none other."""
    return self_signed(tmp_path_factory.mktemp("tls"), "DNS:images.test")


class Server:
    """Answers each path with what it was told, and remembers who was asked for what."""

    def __init__(self, certificate: Certificate):
        self._server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server_tls.load_cert_chain(*certificate)
        self._server_tls.set_servername_callback(
            lambda _socket, name, _context: self.names.append(name)
        )
        self.trusting = ssl.create_default_context(cafile=certificate.file)
        self.answers: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.names: list[str | None] = []
        self.connections = 0
        self.resolved: list[str] = []
        self.found: dict[str, list[list[str]]] = {}
        self.came, self.left = asyncio.Event(), asyncio.Event()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._server_tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error):
        self._server.close()

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split()[1]
            host = next(line for line in head.lower().split("\r\n") if line.startswith("host:"))
            self.asked.append((path, host.removeprefix("host:").strip()))
            answer = self.answers.get(path)
            if answer is None:
                self.came.set()
                await reader.read()  # never answers; returns when the client leaves
                self.left.set()
            else:
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def resolve(self, host, _port):
        self.resolved.append(host)
        if host in self.found:
            return self.found[host].pop(0)
        if host != "images.test":
            raise OSError("no such host")
        return ["127.0.0.1"]

    def url(self, path, host="images.test"):
        return f"https://{host}:{self.port}{path}"

    def images(self, reachable=("127.0.0.1",), **settings):
        config = ImagesConfig(fetch=True, **settings)
        fetcher = PublicFetcher(
            config.max_bytes,
            config.allowed_hosts,
            resolving=self.resolve,
            may_reach=lambda address: address in reachable,
            tls=self.trusting,
        )
        return LinkedImages(config, fetcher)

    async def fetch(self, *urls, **settings):
        parts = [linked_image(url, f"at[{n}]") for n, url in enumerate(urls)]
        messages = await self.images(**settings).fetched((Message("user", tuple(parts)),))
        return messages[0].parts


@pytest.fixture
async def server(certificate):
    async with Server(certificate) as running:
        yield running


def ok(body, kind="image/png", *headers):
    lines = ["HTTP/1.1 200 OK", f"content-type: {kind}", *headers]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def to(location):
    return f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()


async def test_an_image_is_fetched_from_the_checked_address_under_its_own_name(server):
    server.answers["/a.png"] = ok(PNG)
    (part,) = await server.fetch(server.url("/a.png"))

    assert part == ImagePart("image/png", base64.b64encode(PNG).decode())
    assert type(part) is ImagePart
    assert server.asked == [("/a.png", f"images.test:{server.port}")]
    assert server.names == ["images.test"]


async def test_images_of_results_are_fetched_too_and_the_rest_is_left_as_it_is(server):
    server.answers["/a"] = ok(JPEG, "application/octet-stream")
    image = linked_image(server.url("/a"), "x")
    plain = Message("user", (TextPart("hi"), ImagePart("image/gif", "R0lG")))
    result = Message("tool", (ToolResultPart("c", "t", (image,)),))
    first, second = await server.images().fetched((plain, result))

    assert first is plain
    assert second.parts[0].images == (ImagePart("image/jpeg", base64.b64encode(JPEG).decode()),)


async def test_without_links_nothing_is_done(server):
    messages = (Message("user", (TextPart("hi"),)),)
    assert await server.images().fetched(messages) is messages


async def test_one_url_is_fetched_once(server):
    server.answers["/a"] = ok(PNG)
    parts = await server.fetch(server.url("/a"), server.url("/a"))

    assert len(parts) == 2
    assert server.connections == 1


async def test_nothing_is_fetched_unless_the_configuration_says_so(server):
    message = Message("user", (linked_image(server.url("/a"), "messages[0]"),))
    with pytest.raises(InvalidRequest, match=r"images\.fetch") as failure:
        await LinkedImages(ImagesConfig()).fetched((message,))

    assert failure.value.param == "messages[0]"
    assert not server.resolved


async def refused(server, *urls, **settings):
    with pytest.raises(InvalidRequest) as failure:
        await server.fetch(*urls, **settings)
    return failure.value


@pytest.mark.parametrize(
    "url",
    [
        "http://images.test/a",
        "ftp://images.test/a",
        "file:///etc/passwd",
        "a.png",
        "",
        "https://",
        "//",
    ],
)
async def test_only_https_is_fetched(server, url):
    error = await refused(server, url)
    assert error.param == "at[0]"
    assert not server.resolved


@pytest.mark.parametrize("host", ["user@images.test", "user:pass@images.test"])
async def test_a_login_in_a_url_is_refused(server, host):
    assert "password" in (await refused(server, server.url("/a", host))).message
    assert not server.resolved


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["169.254.169.254"], []]
)
async def test_a_name_with_any_address_that_is_not_public_is_refused(server, addresses):
    server.found["images.test"] = [addresses]
    error = await refused(server, server.url("/a"))

    assert "public internet" in error.message
    assert server.connections == 0


async def test_a_name_that_does_not_exist_is_told_as_one_that_is_not_public(server):
    server.found["inside.test"] = [["10.0.0.1"]]
    unknown = await refused(server, server.url("/a", "nowhere.test"))
    inside = await refused(server, server.url("/a", "inside.test"))
    assert unknown.message == inside.message


async def test_the_real_rule_does_not_let_this_machine_be_reached(server):
    images = LinkedImages(ImagesConfig(fetch=True))
    for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"):
        message = Message("user", (linked_image(server.url("/a", host), "m"),))
        with pytest.raises(InvalidRequest, match="public internet"):
            await images.fetched((message,))
    assert server.connections == 0


async def test_a_name_is_resolved_once_and_what_it_says_later_does_not_count(server):
    server.answers["/a"] = ok(PNG)
    server.found["images.test"] = [["127.0.0.1"], ["10.0.0.1"]]
    await server.fetch(server.url("/a"))

    assert server.resolved == ["images.test"]


async def test_a_redirect_is_judged_like_the_first_url(server):
    server.answers["/a"] = to("/b")
    server.answers["/b"] = ok(PNG)
    await server.fetch(server.url("/a"))
    assert [path for path, _ in server.asked] == ["/a", "/b"]

    for location in ("https://inside.test/x", "http://images.test/b", "file:///etc/passwd"):
        server.found["inside.test"] = [["10.0.0.1"]]
        server.answers["/a"] = to(location)
        await refused(server, server.url("/a"))
    server.answers["/a"] = to("/b")
    server.found["images.test"] = [["127.0.0.1"], ["10.0.0.1"]]
    assert "public internet" in (await refused(server, server.url("/a"))).message


async def test_redirects_without_end_are_given_up(server):
    server.answers["/a"] = to("/a")
    assert "redirects" in (await refused(server, server.url("/a"))).message
    assert server.connections == 4


async def test_a_certificate_of_another_name_is_refused(server):
    server.found["other.test"] = [["127.0.0.1"]]
    assert "prove" in (await refused(server, server.url("/a", "other.test"))).message
    assert not server.asked


async def test_the_next_address_is_tried_if_one_does_not_answer(server):
    server.answers["/a"] = ok(PNG)
    server.found["images.test"] = [["127.0.0.2", "127.0.0.1"]]
    await server.fetch(server.url("/a"), reachable=("127.0.0.1", "127.0.0.2"))


async def test_only_hosts_that_are_allowed_are_asked(server):
    server.answers["/a"] = ok(PNG)
    for allowed in ("Images.test", "*.test"):
        await server.fetch(server.url("/a"), allowed_hosts=(allowed,))
    server.resolved.clear()
    for other in ("test", "*.images.test", "ages.test"):
        await refused(server, server.url("/a"), allowed_hosts=(other,))
    assert not server.resolved


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ok(b"<html>", "text/html"), "no png"),
        (ok(b"<svg/>", "image/svg+xml"), "no png"),
        (ok(PNG, "text/html"), "no png"),
        (ok(b"GIF", "image/gif"), "no png"),
        (ok(b"", "image/png"), "no png"),
        (ok(PNG, "image/png", "content-encoding: gzip"), "compresses"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "404"),
        (b"HTTP/1.1 206 Partial\r\ncontent-length: 0\r\n\r\n", "206"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort", "broke off"),
        (b"nonsense\r\n\r\n", "can't be reached"),
    ],
)
async def test_what_is_no_image_is_refused(server, answer, says):
    server.answers["/a"] = answer
    assert says in (await refused(server, server.url("/a"))).message


async def test_a_type_is_believed_by_the_bytes(server):
    server.answers["/a"] = ok(JPEG, "image/png; charset=x")
    (part,) = await server.fetch(server.url("/a"))
    assert part.media_type == "image/jpeg"


@pytest.mark.parametrize("told", [True, False])
async def test_what_is_too_large_is_not_read(server, told):
    body = PNG + bytes(200_000)
    length = f"content-length: {len(body)}\r\n".encode() if told else b""
    server.answers["/a"] = (
        b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n" + length + b"\r\n" + body
    )
    assert "100000 bytes" in (await refused(server, server.url("/a"), max_bytes=100_000)).message
    server.answers["/b"] = ok(PNG)
    await server.fetch(server.url("/b"), max_bytes=len(PNG))


async def test_all_of_a_request_s_images_have_one_time_limit(server):
    server.answers["/a"] = ok(PNG)
    error = await refused(server, server.url("/a"), server.url("/never"), seconds=0.3)

    assert error.param == "at[1]"
    assert "0.3 s" in error.message


async def test_more_images_than_allowed_are_refused_before_any_is_fetched(server):
    urls = [server.url(f"/{n}") for n in range(3)]
    assert (await refused(server, *urls, max_count=2)).param == "at[2]"
    assert not server.resolved


async def test_whoever_leaves_leaves_no_connection(server):
    fetching = asyncio.create_task(server.fetch(server.url("/never")))
    await server.came.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    async with asyncio.timeout(5):
        await server.left.wait()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (b"GIF87a..", "image/gif"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"", None),
        (b"\x89PN", None),
        (b"%PDF-1.7", None),
    ],
)
def test_the_first_bytes_tell_the_kind(data, kind):
    assert image_type(data) == kind
