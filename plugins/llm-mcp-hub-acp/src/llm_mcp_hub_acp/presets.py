"""Settings for agents that are known, so that a configuration needs only to name them.

An unverified preset was written from what is public about the agent and never tried here: `doctor`
and the provider's status say so. The Gemini CLI, which is verified, is a plugin of its own.
"""

from typing import Any

from msgspec import Struct


class Preset(Struct, frozen=True):
    """See the module.

    Attributes:
        title: The agent's name for people.
        verified: Whether the hub's tests run it.
        notice: What to know before using it.
        settings: Values for `AcpSettings`.
    """

    title: str
    verified: bool
    notice: str
    settings: dict[str, Any]


PRESETS = {
    "antigravity": Preset(
        title="Antigravity",
        verified=False,
        notice="Whether Google's terms allow wrapping Antigravity in another program is not "
        "settled, and the hub has never been tried with it. Read the terms, and use it at your own "
        "risk.",
        settings={
            "command": ("antigravity-acp",),
            "login_remedy": "Log in with Antigravity itself.",
            "noise": "login",
            "model_switch": "set_config_option",
        },
    ),
    "goose": Preset(
        title="goose",
        verified=False,
        notice="The hub has never been tried with it. It asks the provider that you have "
        "configured in goose: see that this is a subscription and not an API key. Its extensions "
        "are tools of its own: turn them off.",
        settings={
            "command": ("goose", "acp"),
            "login_remedy": "Run `goose configure`.",
        },
    ),
}
"""By name. None is used unless a configuration names it."""
