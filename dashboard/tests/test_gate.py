"""Nothing but the sign-in page is served without a live session of an admin."""

import gzip
import re

import pytest
import simple_websocket

from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub_dashboard.server.headers import script_hashes

PAGES = ["/admin", "/admin/", "/admin/providers", "/admin/session?id=x", "/admin/no-such-page"]
FOREIGN = "https://evil.example"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_leads_to_the_sign_in_page(visitor, path):
    answer = visitor.page(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/admin/login"


def test_other_files_are_refused(admin, visitor, hub, new_visitor):
    script = re.search(r'/admin/assets/[^"]+\.js', admin.page().text)
    assert admin.http.get(script.group()).status_code == 200
    assert new_visitor(hub).http.get(script.group()).status_code == 401


def test_whoever_asks_learns_whether_they_are_signed_in(admin, hub, new_visitor):
    answer = admin.http.get("/admin/signed-in")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    refused = new_visitor(hub).http.get("/admin/signed-in")
    assert refused.status_code == 401
    assert refused.headers["cache-control"] == "no-store"
    assert new_visitor(hub).page("/admin/signed-in").headers["location"] == "/admin/login"


def test_the_websocket_is_refused_without_a_cookie_with_a_wrong_one_and_from_elsewhere(admin, hub):
    for headers in (
        {"cookie": "hub_dashboard=wrong"},
        {"origin": FOREIGN},
        {"origin": ""},
        {"origin": hub.base_url.replace("http://", "http://user@")},
    ):
        with pytest.raises(simple_websocket.ConnectionError, match="403"):
            admin.tab(**headers)
    admin.tab().close()


def test_a_wrong_token_is_refused_and_said_so(visitor):
    answer = visitor.sign_in("hub-000000000000-" + "x" * 43)
    assert answer.status_code == 401
    assert "does not know that access token" in answer.text
    assert visitor.cookie is None


def test_a_token_without_the_scope_admin_is_refused(visitor, hub):
    answer = visitor.sign_in(hub.token("someone", Scope.CHAT, Scope.SESSIONS))
    assert answer.status_code == 403
    assert "has not the scope admin" in answer.text
    assert visitor.page().status_code == 303


@pytest.mark.parametrize("origin", [None, FOREIGN, "null"])
def test_signing_in_from_another_site_s_page_is_refused(visitor, origin):
    assert visitor.sign_in(origin=origin).status_code == 403
    assert visitor.cookie is None


def test_the_cookie_is_for_this_hub_s_pages_alone(visitor):
    sent = visitor.sign_in().headers["set-cookie"]
    port = visitor.hub.base_url.rpartition(":")[2]
    assert sent.startswith(f"hub_dashboard_{port}=")
    assert {"Path=/admin", "HttpOnly", "SameSite=Strict"} <= set(sent.split("; "))
    assert "Secure" not in sent


def test_behind_tls_the_cookie_is_sent_over_tls_alone(visitor, hub):
    answer = visitor.http.post(
        "/admin/login",
        data={"token": hub.admin_token},
        headers={"host": "127.0.0.1", "origin": "https://127.0.0.1"},
    )
    assert answer.status_code == 303
    assert "Secure" in answer.headers["set-cookie"].split("; ")


def test_signing_out_ends_the_session_and_the_websocket_of_whoever_stole_the_cookie(
    admin, hub, new_visitor
):
    thief = new_visitor(hub)
    thief.steal(admin.cookie)
    tab = thief.tab()
    assert thief.page().status_code == 200
    assert admin.sign_out().headers["location"] == "/admin/login?out"
    assert thief.page().status_code == 303
    with pytest.raises(simple_websocket.ConnectionError, match="403"):
        thief.tab()
    with pytest.raises(simple_websocket.ConnectionClosed):
        tab.receive_to_the_end()


@pytest.mark.parametrize("origin", [None, FOREIGN])
def test_another_site_s_page_can_sign_nobody_out(admin, origin):
    headers = {"origin": origin} if origin else {}
    assert admin.http.post("/admin/logout", headers=headers).status_code == 403
    assert admin.page().status_code == 200


def test_a_revoked_access_token_ends_the_session(visitor, hub, until_so):
    text = hub.token("leaving", Scope.ADMIN)
    assert visitor.sign_in(text).status_code == 303
    assert visitor.page().status_code == 200
    hub.call(hub.hub.access.revoke("leaving"))
    until_so(lambda: visitor.page().status_code == 303)


def test_every_page_forbids_scripts_but_its_own(admin):
    answer = admin.page()
    policy = dict(
        part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    allowed = policy["script-src"].split()
    assert allowed == ["'self'", *script_hashes(answer.content)]
    assert len(allowed) > 3
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_the_sign_in_page_has_no_script_and_speaks_the_browser_s_language(visitor):
    english = visitor.http.get("/admin/login")
    korean = visitor.http.get("/admin/login", headers={"accept-language": "ko-KR,ko;q=0.9"})
    assert "<script" not in english.text
    assert "script-src 'self';" in english.headers["content-security-policy"]
    assert '<html lang="en">' in english.text
    assert '<html lang="ko">' in korean.text
    assert "접근 토큰" in korean.text


def test_files_come_compressed_and_may_be_kept(admin):
    script = re.search(r'/admin/assets/[^"]+\.js', admin.page().text).group()
    plain = admin.http.get(script, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for accepted, wanted in {
        "gzip": "gzip",
        "gzip, br;q=0": "gzip",
        "gzip, deflate, br, zstd": "br",
    }.items():
        with admin.http.stream("GET", script, headers={"accept-encoding": accepted}) as packed:
            raw = b"".join(packed.iter_raw())
        assert packed.headers["content-encoding"] == wanted
        assert len(raw) < len(plain.content) / 2 or len(plain.content) < 4096
        if wanted == "gzip":
            assert gzip.decompress(raw) == plain.content
        assert "immutable" in packed.headers["cache-control"]
        assert packed.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    "path", ["/admin/../pyproject.toml", "/admin/%2e%2e/backend/x", "/admin/..%2f"]
)
def test_nothing_outside_of_the_pages_is_served(admin, path):
    answer = admin.http.get(path, headers={"accept": "text/html"})
    assert answer.status_code in {303, 404}


def test_a_hub_without_access_control_lets_everybody_in(make_hub, new_visitor):
    with make_hub({"access": {"enabled": False}}) as open_hub:
        someone = new_visitor(open_hub)
        answer = someone.http.get("/admin/login", headers={"accept": "text/html"})
        assert answer.status_code == 303
        assert someone.page().status_code == 200


def test_a_cookie_that_comes_with_a_page_is_for_tls_alone_if_a_proxy_says_so(make_hub, new_visitor):
    with make_hub({"access": {"enabled": False}}) as open_hub:
        for said, secure in {"https": True, "http": False, "": False}.items():
            someone = new_visitor(open_hub)
            headers = {"x-forwarded-proto": said} if said else {}
            sent = someone.http.get("/admin/login", headers=headers).headers["set-cookie"]
            assert ("Secure" in sent.split("; ")) is secure, said


def test_the_rest_api_is_as_before(admin, hub):
    assert admin.http.get("/v1/models").status_code == 401
    assert admin.http.get("/v1/models", headers=hub.headers()).status_code == 200
