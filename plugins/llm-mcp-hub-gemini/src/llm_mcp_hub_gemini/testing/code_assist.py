"""A fake of Google's Code Assist on loopback, to run the real Gemini CLI against.

Guarantees: those of `llm_mcp_hub.testing.vendor_server`. It also plays the three addresses that a
login is checked at. `login.environment_for` leads the Gemini CLI here.
"""

import json
from typing import Any

from aiohttp import web

from llm_mcp_hub.testing.vendor_script import pieces
from llm_mcp_hub.testing.vendor_server import VendorServer
from llm_mcp_hub_gemini.testing.login import REFRESH_TOKEN, SCOPE
from llm_mcp_hub_gemini.testing.scripted import Reply, Request, event

__all__ = ["FakeCodeAssist", "Reply", "Request"]

ACCOUNT = "zoe.tester@example.com"
NOT_FOR_INDIVIDUALS = {
    "currentTier": {"id": "standard-tier", "name": "Standard"},
    "allowedTiers": [{"id": "standard-tier", "isDefault": True}],
    "ineligibleTiers": [
        {
            "reasonCode": "UNSUPPORTED_CLIENT",
            "reasonMessage": "This client is no longer supported for Gemini Code Assist for "
            "individuals. Use another one.",
            "tierId": "free-tier",
            "tierName": "Individuals",
        }
    ],
}
ENTITLED = {
    "currentTier": {"id": "standard-tier", "name": "Standard", "hasOnboardedPreviously": True},
    "allowedTiers": [{"id": "standard-tier", "isDefault": True}],
    "cloudaicompanionProject": "fake-project",
    "gcpManaged": False,
}


class FakeCodeAssist(VendorServer[Request, Reply]):
    """See `VendorServer`.

    Attributes:
        entitled: Whether the account may use this client at all.
        load_status: Another one than 200 has every session fail to open.
        token_status: Another one than 200 refuses to renew a login, as `invalid_grant`.
        check_status: Another one than 200 says that an access token is not valid.
    """

    def __init__(self) -> None:
        super().__init__(Request, Reply())
        self.entitled = True
        self.load_status = self.token_status = self.check_status = 200

    def reset(self) -> None:
        """Forget requests and script; everybody may log in again."""
        super().reset()
        self.entitled = True
        self.load_status = self.token_status = self.check_status = 200

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """`POST /v1internal:streamGenerateContent`."""
        router.add_post("/v1internal:streamGenerateContent", self._generate)

    async def other(self, http: web.Request) -> web.Response:
        """What a session asks for before its first prompt, and the addresses of a login."""
        name = http.path.rpartition("/")[2].rpartition(":")[2]
        if name == "loadCodeAssist" and self.load_status != 200:
            body = Reply(status=self.load_status).error_body
            return web.json_response(body, status=self.load_status)
        if name == "tokeninfo" and self.check_status != 200:
            return web.json_response({"error": "invalid_token"}, status=self.check_status)
        if name == "token" and self.token_status != 200:
            return web.json_response({"error": "invalid_grant"}, status=self.token_status)
        return web.json_response(self._answer_to(name))

    def _answer_to(self, name: str) -> dict[str, Any]:
        if name == "loadCodeAssist":
            return ENTITLED if self.entitled else NOT_FOR_INDIVIDUALS
        if name == "tokeninfo":
            return {"aud": "fake", "expires_in": "3000", "email": ACCOUNT, "scope": SCOPE}
        if name == "userinfo":
            return {"id": "1", "email": ACCOUNT}
        if name == "token":
            token = {"access_token": "ya29.renewed", "expires_in": 3599, "token_type": "Bearer"}
            return {**token, "refresh_token": REFRESH_TOKEN, "scope": SCOPE}
        if name == "retrieveUserQuota":
            return {"buckets": []}
        if name == "generateContent":
            return event(Request("", {}, {"model": "fake"}), [{"text": "{}"}], "STOP")
        return {}

    async def _generate(self, http: web.Request) -> web.StreamResponse:
        return await self.take(http, await self.read(http))

    async def answer(self, http: web.Request, request: Request, reply: Reply) -> web.StreamResponse:
        """Answer with an error, or the events of an answer."""
        if reply.status != 200:
            return web.json_response(reply.error_body, status=reply.status)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(http)
        parts: list[dict[str, Any]] = []
        if reply.thought:
            parts.append({"text": reply.thought, "thought": True})
        calls = ((reply.tool, reply.arguments),) if reply.tool else reply.calls
        if reply.text or not calls:
            texts = pieces(request.text_of(reply), reply.pieces)
            parts += [{"text": text} for text in texts]
        for number, (name, arguments) in enumerate(calls):
            call = {"id": f"call-{id(request)}-{number}", "name": name, "args": arguments}
            parts.append({"functionCall": call})
        await self._stream(http, response, request, reply, parts)
        return response

    async def _stream(
        self,
        http: web.Request,
        response: web.StreamResponse,
        request: Request,
        reply: Reply,
        parts: list[dict[str, Any]],
    ) -> None:
        for number, part in enumerate(parts or [{"text": ""}], 1):
            if await self.breaks_off(request, reply, len(parts)):
                self.cut(http, request)
                return
            finish = reply.finish if number >= len(parts) else ""
            data = json.dumps(event(request, [part], finish))
            await response.write(f"data: {data}\r\n\r\n".encode())
            self.count(request)
