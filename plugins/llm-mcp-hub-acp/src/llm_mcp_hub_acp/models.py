"""The models that an agent offers in a session, wherever it says so; pure.

Older agents tell `models` and know `session/set_model`; newer ones have a configuration option for
it (`configOptions`, `session/set_config_option`).
"""

from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub_acp.lines import ConfigOption, NewSession


def models_of(session: NewSession, option: str) -> tuple[ModelCard, ...]:
    """The models, the present one first; empty if the agent does not say."""
    current = current_model(session, option)
    if session.models is not None:
        cards = [ModelCard(m.model_id, m.name) for m in session.models.available_models]
    else:
        found = _option(session, option)
        cards = [ModelCard(c.value, c.name) for c in found.options] if found is not None else []
    return tuple(sorted(cards, key=lambda card: card.name != current))


def current_model(session: NewSession, option: str) -> str | None:
    """The model that answers if none is chosen; None if the agent does not say."""
    if session.models is not None:
        return session.models.current_model_id or None
    found = _option(session, option)
    return str(found.current_value) if found is not None and found.current_value else None


def _option(session: NewSession, name: str) -> ConfigOption | None:
    return next((one for one in session.config_options or () if one.id == name), None)
