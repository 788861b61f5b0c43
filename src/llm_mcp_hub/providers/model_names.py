"""Names of models: those that are offered, aliases of them, and a refusal that lists them; pure."""

import re
from collections.abc import Iterable, Mapping, Sequence

from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.errors import ConfigError, UnknownModel


def check_aliases(aliases: Mapping[str, str], where: str) -> None:
    """Refuse an alias that is empty or stands for nothing.

    Args:
        aliases: Alias to name.
        where: The path of the provider's settings, such as `providers.claude`.

    Raises:
        ConfigError: With the path of the setting.
    """
    if not all(alias and name for alias, name in aliases.items()):
        raise ConfigError(
            f"{where}.aliases: an alias and what it stands for can't be empty",
            param=f"{where}.aliases",
        )


def with_aliases(offered: Iterable[ModelCard], aliases: Mapping[str, str]) -> tuple[ModelCard, ...]:
    """The models that are offered; then the aliases, which say what they stand for."""
    return (*offered, *(ModelCard(alias, f"{name} ({alias})") for alias, name in aliases.items()))


def check_model(
    name: str, offered: Sequence[ModelCard], title: str, full_names: "re.Pattern[str] | None" = None
) -> None:
    """Refuse a model that is not offered.

    Args:
        name: The model that is asked for.
        offered: Those there are.
        title: Who does not offer it.
        full_names: Names that are taken beside those offered.

    Raises:
        UnknownModel: The message lists those offered.
    """
    names = [card.name for card in offered]
    if name not in names and (full_names is None or not full_names.fullmatch(name)):
        raise UnknownModel(
            f"{title} does not offer the model {name!r}. Offered: {', '.join(names)}.",
            param="model",
        )
