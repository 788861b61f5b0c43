"""Redis with TLS: who is spoken to must be who it says it is."""

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.certificates import Certificate, self_signed

from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.state.redis_store import RedisStore
from llm_mcp_hub.state.redis_url import read_url
from llm_mcp_hub.testing.redis_server import (
    RedisServer,
    free_ports,
    redis_server,
    redis_server_binary,
)
from llm_mcp_hub.testing.store_promise import START, read, said, stored

pytestmark = pytest.mark.anyio


class Secured:
    """A server that speaks TLS."""

    def __init__(self, server: RedisServer, certificate: Certificate, port: int) -> None:
        self.certificate = certificate
        self.port = port
        self._server = server

    def clients(self) -> list[str]:
        """Which connections there are, this one left out."""
        listed: bytes = self._server.command("CLIENT", "LIST", "TYPE", "normal")
        ids = [line.split()[0] for line in listed.decode().splitlines() if "cmd=client" not in line]
        return sorted(ids)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    if redis_server_binary() is None:
        pytest.skip("no redis-server on the path")
    certificate = self_signed(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")
    (port,) = free_ports(1)
    options = {
        "--tls-port": str(port),
        "--tls-cert-file": str(certificate.file),
        "--tls-key-file": str(certificate.key),
        "--tls-ca-cert-file": str(certificate.file),
        "--tls-auth-clients": "no",
    }
    words = [word for option in options.items() for word in option]
    with redis_server(options=words) as server:
        yield Secured(server, certificate, port)


@pytest.fixture
def trusted(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.certificate.file))


@pytest.fixture
async def store(secured: Secured) -> AsyncIterator[RedisStore]:
    made = RedisStore(read_url(f"rediss://127.0.0.1:{secured.port}/1"))
    yield made
    await made.aclose()


@pytest.mark.usefixtures("trusted")
async def test_what_is_stored_is_found_again(store: RedisStore) -> None:
    long = "word " * 100_000
    await stored(store, "s1", long, "hi")
    assert (await read(store)).messages == said(long, "hi")
    assert await store.get("ann", "s2", START) is None


async def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(
    store: RedisStore,
) -> None:
    with pytest.raises(StateUnavailable, match=r"not trusted here.* SSL_CERT_FILE") as caught:
        await store.open()
    assert "CERTIFICATE_VERIFY_FAILED" in (caught.value.detail or "")


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_of_another_host_is_refused(secured: Secured) -> None:
    store = RedisStore(read_url(f"rediss://localhost:{secured.port}"))
    with pytest.raises(StateUnavailable, match="is another host's"):
        await store.open()
    await store.aclose()


@pytest.mark.usefixtures("trusted")
async def test_calls_that_follow_each_other_share_a_connection(
    secured: Secured, store: RedisStore
) -> None:
    await store.open()
    before = secured.clients()
    for number in range(5):
        await stored(store, f"shared{number}")
    assert len(before) == 1
    assert secured.clients() == before
