"""Names of models. A struct is never called a model here: a model is an LLM."""

from enum import StrEnum

from msgspec import Struct


class Capability(StrEnum):
    """What a provider can do beyond answering text with text."""

    TOOLS = "tools"
    FILES = "files"


class ModelCard(Struct, frozen=True):
    """One model a provider offers.

    Attributes:
        name: The provider's own name, such as `sonnet`.
        title: A name for people.
        created: Unix seconds, 0 where the vendor does not say.
    """

    name: str
    title: str = ""
    created: int = 0


def split_model_id(model_id: str) -> tuple[str, str] | None:
    """`provider/name` as its two halves, or None if there is no provider in it."""
    provider, slash, name = model_id.partition("/")
    return (provider, name) if slash and provider and name else None
