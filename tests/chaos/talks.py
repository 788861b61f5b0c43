"""Conversations whose every answer shows whether it is the right one.

Each has a secret of its own, and each of its turns a number. The worker repeats all secrets and
numbers it knows (see `worker.py`), so an answer tells what the worker was given and from whom.
"""

import asyncio
import json
import random
from collections import Counter
from enum import StrEnum
from typing import Any

import httpx

CHAT = "/v1/chat/completions"
MODEL = "chaos/echo"
REQUEST_SECONDS = 45.0
"""By then every request has ended: its deadlines and the time in the queue are far shorter."""
WORDS = (0, 30)
STREAMED, LEAVING, RESUMING = 0.7, 0.2, 0.5
"""Shares of the turns, and the last of the streams that are left."""
LEAVE_SECONDS = 0.15


class Violation(AssertionError):
    """A promise that was broken."""


class How(StrEnum):
    """How a turn ended, but for errors, which are told by their code."""

    DONE = "done"
    RESUMED = "resumed"
    LEFT = "left"


class Reading:
    """What has come of an answer, over one connection or several."""

    def __init__(self) -> None:
        self.text = ""
        self.session = ""
        self.turn_id = ""
        self.pieces = 0
        self.last_event: str | None = None

    async def read(self, response: httpx.Response, pieces: int | None = None) -> str:
        """Read to the end, or so many pieces; says how that ended."""
        async for line in response.aiter_lines():
            if pieces is not None and self.pieces >= pieces:
                return How.LEFT
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_event = value
            elif name == "data":
                if value == "[DONE]":
                    return How.DONE
                event = json.loads(value)
                if "error" in event:
                    return code_of(value.encode(), response.status_code)
                for choice in event["choices"]:
                    self.text += choice["delta"].get("content") or ""
                self.pieces += 1
        raise Violation(f"a stream ended without an error and without [DONE]: {self.text!r}")


class Talk:
    """One conversation of one client.

    Args:
        token: Its principal's access token.
        session: The session it names. None sends the whole history instead, and has it
            recognised.
        outcomes: Counts how turns ended: a `How`, or the code of an error.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        token: str,
        secret: str,
        session: str | None,
        outcomes: Counter[str],
    ) -> None:
        self.secret = secret
        self._client = client
        self._headers = {"authorization": f"Bearer {token}"}
        self._session = session
        self._named = session is not None
        self._outcomes = outcomes
        self._number = 0
        self._done: dict[int, tuple[str, str]] = {}
        self._left: set[int] = set()

    async def turn(self, chance: random.Random) -> str:
        """One turn, whole or streamed, perhaps left before its end; says how it ended.

        Raises:
            Violation: The answer, or the way it failed, breaks a promise.
        """
        self._number += 1
        number, words = self._number, chance.randint(*WORDS)
        text = f"{self.secret} {number} {words}"
        stream = chance.random() < STREAMED
        leave_after = chance.randint(0, 8) if chance.random() < LEAVING else None
        if leave_after is not None:
            self._left.add(number)
        reading = Reading()
        how = await self._ask(text, reading, stream, leave_after)
        if how == How.LEFT and reading.turn_id and chance.random() < RESUMING:
            how = await self._resume(reading)
        self._check_words(reading.text)
        if how != How.LEFT:
            self._left.discard(number)
        if how in {How.DONE, How.RESUMED}:
            self._check(reading.text, number, words)
            self._session = reading.session
            self._done[number] = (text, reading.text)
        self._outcomes[how] += 1
        return how

    async def audit(self) -> None:
        """Compare the stored session with what was acknowledged, once nothing runs any more.

        Raises:
            Violation: They differ.
        """
        if not self._done:
            return
        found = await self._client.get(f"/v1/sessions/{self._session}", headers=self._headers)
        if found.status_code != httpx.codes.OK:
            raise Violation(f"{self.secret}: its session is gone: {found.text}")
        messages = [entry["message"] for entry in found.json()["messages"]]
        roles = [message["role"] for message in messages]
        if roles != ["user", "assistant"] * (len(roles) // 2):
            raise Violation(f"{self.secret}: stored roles {roles}")
        texts = list(map(text_of, messages))
        stored = dict(zip(texts[::2], texts[1::2], strict=True))
        if len(stored) * 2 != len(texts):
            raise Violation(f"{self.secret}: an exchange is stored twice")
        known = []
        for asked, answer in stored.items():
            number = int(asked.split()[1])
            if number not in self._left:
                known.append((asked, answer))
            self._check_words(answer)
        if known != list(self._done.values()):
            raise Violation(f"{self.secret}: acknowledged {self._done}, stored {stored}")

    def _messages(self, text: str) -> list[dict[str, str]]:
        said = []
        if not self._named:
            for asked, answer in self._done.values():
                said.append({"role": "user", "content": asked})
                said.append({"role": "assistant", "content": answer})
        return [*said, {"role": "user", "content": text}]

    async def _ask(self, text: str, reading: Reading, stream: bool, leave_after: int | None) -> str:
        body = {"model": MODEL, "stream": stream, "messages": self._messages(text)}
        headers = dict(self._headers)
        if self._named:
            headers["x-session-id"] = str(self._session)
        request = self._client.build_request("POST", CHAT, json=body, headers=headers)
        try:
            # A whole answer is left before its headers come, a stream between its events.
            async with asyncio.timeout(None if stream or leave_after is None else LEAVE_SECONDS):
                response = await self._client.send(request, stream=True)
        except TimeoutError:
            return How.LEFT
        try:
            if response.status_code != httpx.codes.OK:
                return code_of(await response.aread(), response.status_code)
            reading.session = response.headers["x-session-id"]
            if stream:
                reading.turn_id = response.headers["x-turn-id"]
                return await reading.read(response, leave_after)
            choice = json.loads(await response.aread())["choices"][0]
            reading.text = choice["message"]["content"]
            return How.DONE
        finally:
            await response.aclose()

    async def _resume(self, reading: Reading) -> str:
        """Fetch the rest of a streamed answer over another connection."""
        headers = dict(self._headers)
        if reading.last_event is not None:
            headers["last-event-id"] = reading.last_event
        path = f"/v1/turns/{reading.turn_id}/events"
        async with self._client.stream("GET", path, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                return code_of(await response.aread(), response.status_code)
            how = await reading.read(response)
        return How.RESUMED if how == How.DONE else how

    def _check(self, answer: str, number: int, words: int) -> None:
        """Of a whole answer: it is complete and knows exactly this conversation."""
        said = self._check_words(answer)
        own = [f"{self.secret}-{index}" for index in range(words)]
        if said[:2] != [self.secret, "heard"] or said[3:] != own:
            raise Violation(f"{self.secret}: turn {number} of {words} words got {answer!r}")
        heard = list(map(int, said[2].split(",")))
        doubtful = self._left if self._named else set()
        certain = [one for one in heard if one not in doubtful]
        if certain != [*self._done, number] or heard != sorted(set(heard)):
            raise Violation(
                f"{self.secret}: turn {number} knew of {heard}, acknowledged {list(self._done)}, "
                f"left {sorted(self._left)}"
            )

    def _check_words(self, answer: str) -> list[str]:
        """Of any piece of an answer: nothing in it is somebody else's."""
        said = answer.split()
        for word in said:
            mine = word.partition("-")[0] == self.secret or word == "heard"
            if not mine and not set(word) <= set("0123456789,"):
                raise Violation(f"{self.secret}: {word!r} is not of this conversation: {answer!r}")
        return said


def code_of(body: bytes, status: int) -> str:
    """The code of an error in the canonical shape.

    Raises:
        Violation: It has another shape, or is a defect of the hub.
    """
    try:
        error: dict[str, Any] = json.loads(body)["error"]
        code: str = error["code"]
        shape = set(error) == {"message", "type", "param", "code"} and bool(error["message"])
    except (ValueError, KeyError, TypeError):
        raise Violation(f"status {status} with the body {body!r}") from None
    if not shape or code == "internal_error":
        raise Violation(f"status {status} with the error {error}")
    return code


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"])


def summary(outcomes: Counter[str], faults: Counter[str]) -> str:
    """What happened, for whoever reads the test's output."""
    return f"turns: {_listed(outcomes)}; faults: {_listed(faults)}"


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counted.most_common())
