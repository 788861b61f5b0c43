"""The prompts: requests that people make again and again, ready to be filled in."""

from collections.abc import Callable, Mapping

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    GetPromptResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)
from msgspec import Struct

LANGUAGES = (
    "Arabic",
    "Chinese",
    "Dutch",
    "English",
    "French",
    "German",
    "Hindi",
    "Italian",
    "Japanese",
    "Korean",
    "Polish",
    "Portuguese",
    "Russian",
    "Spanish",
    "Turkish",
    "Ukrainian",
    "Vietnamese",
)
LENGTHS = ("one sentence", "one paragraph", "five bullet points", "one page")
FOCUSES = ("correctness", "security", "performance", "readability", "tests")
TONES = ("formal", "friendly", "technical", "plain")

MODELS = "models"
"""The name of the arguments that are completed with the ids of models."""


class Argument(Struct, frozen=True):
    """An argument of a prompt.

    Attributes:
        values: What it is completed with; any other text is as good.
    """

    name: str
    description: str
    required: bool = False
    values: tuple[str, ...] = ()


class PromptKind(Struct, frozen=True):
    """One prompt.

    Attributes:
        text: What the filled-in prompt says.
    """

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    text: Callable[[Mapping[str, str]], str]

    @property
    def prompt(self) -> Prompt:
        """As clients see it."""
        return Prompt(
            name=self.name,
            title=self.title,
            description=self.description,
            arguments=[
                PromptArgument(name=one.name, description=one.description, required=one.required)
                for one in self.arguments
            ],
        )


def _review(given: Mapping[str, str]) -> str:
    focus = f" Look above all at {given['focus']}." if given.get("focus") else ""
    return (
        "Review the code below as an experienced colleague would. Name each problem with its "
        "place, why it matters and how to mend it, the gravest first; say what is good in one "
        f"sentence; invent nothing.{focus}\n\n<code>\n{given['code']}\n</code>"
    )


def _summarize(given: Mapping[str, str]) -> str:
    length = given.get("length") or "one paragraph"
    return (
        f"Summarize the text below in {length}. Keep names, figures and reservations; add nothing "
        f"that is not in it.\n\n<text>\n{given['text']}\n</text>"
    )


def _translate(given: Mapping[str, str]) -> str:
    tone = f" Write in a {given['tone']} tone." if given.get("tone") else ""
    return (
        f"Translate the text below into {given['language']}. Keep its meaning, its formatting, and "
        f"what stands in code as it is; answer with the translation alone.{tone}\n\n"
        f"<text>\n{given['text']}\n</text>"
    )


def _compare(given: Mapping[str, str]) -> str:
    models = [one.strip() for one in given.get(MODELS, "").split(",") if one.strip()]
    which = f"with models {models}" if models else "without naming models"
    return (
        f"Call the tool ask_all {which} and the question below as its message. Then compare the "
        "answers: where they agree, where they differ and which of them is right there and why, "
        "and what each has that the others lack. Close with the best answer that can be made of "
        f"them.\n\n<question>\n{given['question']}\n</question>"
    )


PROMPTS = (
    PromptKind(
        "review",
        "Review code",
        "A code review: problems with their place, reason and remedy, the gravest first.",
        (
            Argument("code", "The code to review.", required=True),
            Argument("focus", "What to look at above all.", values=FOCUSES),
        ),
        _review,
    ),
    PromptKind(
        "summarize",
        "Summarize a text",
        "A summary that adds nothing and keeps names, figures and reservations.",
        (
            Argument("text", "The text to summarize.", required=True),
            Argument("length", "How long the summary may be.", values=LENGTHS),
        ),
        _summarize,
    ),
    PromptKind(
        "translate",
        "Translate a text",
        "A translation that keeps formatting and code as they are.",
        (
            Argument("text", "The text to translate.", required=True),
            Argument(
                "language", "The language to translate into.", required=True, values=LANGUAGES
            ),
            Argument("tone", "How it should sound.", values=TONES),
        ),
        _translate,
    ),
    PromptKind(
        "compare_models",
        "Compare models",
        "Ask several models the same question and weigh their answers against each other.",
        (
            Argument("question", "What to ask.", required=True),
            Argument(
                MODELS,
                "Ids of models, separated by commas; left out, one of each provider.",
            ),
        ),
        _compare,
    ),
)

_BY_NAME = {kind.name: kind for kind in PROMPTS}


def find_prompt(name: str) -> PromptKind:
    """A prompt by its name.

    Raises:
        MCPError: There is none.
    """
    kind = _BY_NAME.get(name)
    if kind is None:
        raise MCPError(
            INVALID_PARAMS, f"There is no prompt {name!r}. There are: {', '.join(_BY_NAME)}."
        )
    return kind


def get_prompt(name: str, given: Mapping[str, str] | None) -> GetPromptResult:
    """A prompt, filled in.

    Raises:
        MCPError: There is none of that name, or a required argument is missing.
    """
    kind = find_prompt(name)
    values = dict(given or {})
    missing = [one.name for one in kind.arguments if one.required and not values.get(one.name)]
    if missing:
        raise MCPError(INVALID_PARAMS, f"The prompt {name!r} needs {' and '.join(missing)}.")
    content = TextContent(type="text", text=kind.text(values))
    return GetPromptResult(
        description=kind.description, messages=[PromptMessage(role="user", content=content)]
    )
