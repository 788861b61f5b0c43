"""The wheels as they are, on another port, under another name and behind TLS, in a real browser.

nginx runs with `deploy/nginx/llm-mcp-hub.conf`, in which only that is changed which a person
changes: the name, the certificate and, since 443 is not a test's to take, the ports.
"""

import base64
import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.certificates import self_signed

import llm_mcp_hub_dashboard
from llm_mcp_hub.testing.hub import create_test_hub
from llm_mcp_hub.testing.redis_server import free_ports
from llm_mcp_hub_dashboard import build as dashboard_build

from .conftest import ROOT, Serve

CHROMIUM = "/usr/bin/chromium"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIGURATION = ROOT / "deploy" / "nginx" / "llm-mcp-hub.conf"
NAME = "hub.test"
START_SECONDS = 10.0
WAIT_MS = 20_000
WORD = re.compile(r'"content":"[^"]')
AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    include {folder}/llm-mcp-hub.conf;
}}
"""
WORDS = ["one", "two", "three", "four", "five"]
HELLO = {"model": "echo/echo", "messages": [{"role": "user", "content": " ".join(WORDS)}]}

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("wheels"),
    pytest.mark.skipif(NGINX is None, reason="needs nginx; run: make tools"),
]


class Proxied:
    """A hub behind nginx.

    Attributes:
        direct: Where the hub itself is.
        port: Where nginx takes TLS.
        pin: The hash of the certificate's key, by which a browser can be told to trust it.
    """

    def __init__(self, direct: str, token: str, port: int, certificate: Path) -> None:
        self.direct = direct
        self.token = token
        self.address = f"https://{NAME}:{port}"
        self.pin = _pin(certificate)
        self._port = port
        self._certificate = certificate

    def client(self) -> httpx.Client:
        """Calls by the outer name. The name is resolved here, for no server knows it."""
        trusted = ssl.create_default_context(cafile=self._certificate)
        http = httpx.Client(verify=trusted, base_url=f"https://127.0.0.1:{self._port}", timeout=30)
        http.headers["host"] = f"{NAME}:{self._port}"
        return http

    def get(self, http: httpx.Client, path: str, **headers: str) -> httpx.Response:
        return http.get(path, headers=headers, extensions={"sni_hostname": NAME})


@pytest.fixture
def proxied(serve: Serve, tmp_path: Path) -> Iterator[Proxied]:
    settings = {
        "LLM_MCP_HUB_SERVER__ALLOWED_HOSTS": f'["{NAME}"]',
        "LLM_MCP_HUB_ACCESS__OPEN_METRICS": "true",
        "LLM_MCP_HUB_PROVIDERS__ECHO__WORD_SECONDS": "0.1",
    }
    with serve(**settings) as (direct, token), _behind_nginx(tmp_path, direct, token) as found:
        yield found


@contextmanager
def _behind_nginx(folder: Path, direct: str, token: str) -> Iterator[Proxied]:
    certificate, key = self_signed(folder, f"DNS:{NAME}")
    plain, tls = free_ports(2)
    changes = {
        "hub.example;": f"{NAME};",
        "127.0.0.1:8642": direct.removeprefix("http://"),
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ": f"listen 127.0.0.1:{tls} ",
        "/etc/ssl/hub.example/fullchain.pem": str(certificate),
        "/etc/ssl/hub.example/privkey.pem": str(key),
    }
    with _nginx(folder, _changed(CONFIGURATION.read_text(), changes), tls):
        yield Proxied(direct, token, tls, certificate)


@contextmanager
def _nginx(folder: Path, configuration: str, port: int) -> Iterator[None]:
    assert NGINX is not None
    (folder / "llm-mcp-hub.conf").write_text(configuration)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
    command = [NGINX, "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr or "deprecated" in checked.stderr, checked.stderr
    process = subprocess.Popen(command)
    try:
        _wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    pytest.fail("nginx did not start")


def _changed(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"the configuration has no {old!r}"
        text = text.replace(old, new)
    return text


def _pin(certificate: Path) -> str:
    read = ["openssl", "x509", "-in", certificate, "-pubkey", "-noout"]
    pem = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    der = base64.b64decode("".join(pem.strip().splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.fixture
def browser(proxied: Proxied) -> Iterator[Browser]:
    """Chromium, which knows the name and trusts this one key; certificates are checked as ever."""
    if shutil.which(CHROMIUM) is None:
        pytest.skip("needs Debian's chromium at /usr/bin/chromium; run: make tools")
    arguments = [
        # Other tests of this process may have set a proxy that lets nothing out.
        "--no-proxy-server",
        f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
        f"--ignore-certificate-errors-spki-list={proxied.pin}",
        # As root, which containers run as, Chromium has no sandbox of its own.
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


def _signed_in(context: BrowserContext, address: str, token: str) -> tuple[Page, list[str]]:
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    sockets: list[str] = []
    page.on("websocket", lambda one: sockets.append(one.url))
    page.goto(f"{address}/admin")
    page.locator("#token").fill(token)
    page.locator("button[type=submit]").click()
    expect(page.locator("#health")).to_contain_text("Healthy", timeout=WAIT_MS)
    return page, sockets


def test_one_build_serves_another_port_another_name_and_tls(
    proxied: Proxied, browser: Browser
) -> None:
    with closing(browser.new_context(locale="en-GB")) as context:
        for address in (proxied.direct, proxied.address):
            troubles: list[str] = []
            page, sockets = _signed_in(context, address, proxied.token)
            page.on("pageerror", lambda error, kept=troubles: kept.append(str(error)))
            expect(page.get_by_text("1 of 1 available")).to_be_visible()
            assert page.url.startswith(f"{address}/admin")
            assert all(one.startswith(address.replace("http", "ws", 1)) for one in sockets)
            assert len(sockets) == 1
            # Live: a request that another client makes shows without a reload.
            figure = page.locator(".figure", has_text="Requests, last hour")
            before = figure.inner_text()
            answer = httpx.post(
                f"{proxied.direct}/v1/chat/completions",
                headers={"authorization": f"Bearer {proxied.token}"},
                json=HELLO,
                timeout=30,
            )
            assert answer.status_code == 200
            expect(figure).not_to_have_text(before, timeout=WAIT_MS)
            assert troubles == []
        kept = {one["domain"]: one for one in context.cookies()}
        assert {name: one["secure"] for name, one in kept.items()} == {
            "127.0.0.1": False,
            NAME: True,
        }
        assert all(one["httpOnly"] and one["sameSite"] == "Strict" for one in kept.values())
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("You are signed out.")).to_be_visible()
        assert [one["domain"] for one in context.cookies()] == ["127.0.0.1"]


def test_behind_tls_pages_from_elsewhere_are_refused(proxied: Proxied) -> None:
    with proxied.client() as http:
        sni = {"sni_hostname": NAME}
        form = {"token": proxied.token}

        def sign_in(origin: str) -> httpx.Response:
            headers = {"origin": origin}
            return http.post("/admin/login", data=form, headers=headers, extensions=sni)

        without_port = proxied.address.rpartition(":")[0]
        for foreign in ("https://evil.example", without_port, f"https://{NAME}:1", "null"):
            assert sign_in(foreign).status_code == 403, foreign
        answer = sign_in(proxied.address)
        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"].split("; ")
        cookie = answer.headers["set-cookie"].partition(";")[0]
        upgrade = {
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": base64.b64encode(bytes(16)).decode(),
            "cookie": cookie,
        }
        socket_path = "/admin/_event/?EIO=4&transport=websocket&token=one"
        refused = proxied.get(http, socket_path, **upgrade, origin="https://evil.example")
        assert refused.status_code == 403
        with http.stream(
            "GET", socket_path, headers={**upgrade, "origin": proxied.address}, extensions=sni
        ) as accepted:
            assert accepted.status_code == 101


def test_a_cookie_that_is_given_to_whoever_comes_is_for_tls_alone_behind_tls(
    tmp_path: Path,
) -> None:
    """Where access control is off a cookie comes with a GET, in which no Origin tells of TLS."""
    if not dashboard_build.is_current():
        pytest.skip("the dashboard's pages are not built from these sources; run: make pages")
    settings = {"access": {"enabled": False}, "server": {"allowed_hosts": [NAME]}}
    plugins = [("dashboard", llm_mcp_hub_dashboard)]
    with (
        create_test_hub(settings, plugins=plugins) as hub,
        _behind_nginx(tmp_path, hub.base_url, "") as proxied,
        proxied.client() as http,
    ):
        given = {
            "TLS": proxied.get(http, "/admin/login"),
            "plain": httpx.get(f"{hub.base_url}/admin/login"),
        }
    assert all(answer.status_code == 303 for answer in given.values())
    sent = {way: answer.headers["set-cookie"].split("; ") for way, answer in given.items()}
    assert {way: "Secure" in parts for way, parts in sent.items()} == {"TLS": True, "plain": False}


def test_an_answer_comes_through_nginx_as_it_is_written(proxied: Proxied) -> None:
    headers = {"authorization": f"Bearer {proxied.token}"}
    came: list[float] = []
    with (
        proxied.client() as http,
        http.stream(
            "POST",
            "/v1/chat/completions",
            json={**HELLO, "stream": True},
            headers=headers,
            extensions={"sni_hostname": NAME},
        ) as answer,
    ):
        assert answer.status_code == 200
        words = (line for line in answer.iter_lines() if WORD.search(line))
        came.extend(time.monotonic() for _ in words)
    assert len(came) == len(WORDS)
    # The words are 0.4 seconds apart at the hub: held back, they would come at once.
    assert came[-1] - came[0] > 0.2


def test_figures_that_are_open_on_the_machine_are_not_open_through_nginx(proxied: Proxied) -> None:
    assert httpx.get(f"{proxied.direct}/metrics").status_code == 200
    with proxied.client() as http:
        assert proxied.get(http, "/metrics").status_code == 401


def test_the_documentation_shows_the_configuration_that_is_tested() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (shown,) = re.findall(r"^```nginx\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert shown == CONFIGURATION.read_text()
