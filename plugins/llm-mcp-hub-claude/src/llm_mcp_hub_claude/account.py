"""Which login Claude Code may be used with; pure.

Guarantee: only a subscription passes. An API key, a gateway token, a key helper or a cloud
provider, which would all bill by use, is refused before anything is sent.
"""

from llm_mcp_hub.errors import HubError, LoginRequired
from llm_mcp_hub_claude.lines import Account

REMEDY = "Run `llm-mcp-hub setup claude`."

_NONE = frozenset({None, "", "none"})


def refuse_account(account: Account | None) -> HubError | None:
    """Why this login must not be used, or None.

    `account` is that of the reply to `initialize`. A stored login has no `tokenSource`; tokens
    of subscriptions are named `CLAUDE_CODE_OAUTH_TOKEN…` (Claude Code 2.1.329).
    """
    if account is None:
        return LoginRequired(
            f"Claude Code does not say how it is logged in, so it is not used. {REMEDY}"
        )
    if account.api_key_source not in _NONE:
        return refuse_key_source(account.api_key_source)
    if account.api_provider not in (None, "firstParty"):
        return LoginRequired(
            "Claude Code is set up for a cloud provider that bills by use; the hub uses "
            f"subscriptions only. {REMEDY}",
            detail=f"apiProvider: {account.api_provider}",
        )
    source = account.token_source
    if source is None or source in _NONE:
        if source is None or account.subscription_type:
            return None
        return LoginRequired(f"Claude Code is not logged in. {REMEDY}")
    if "OAUTH" in source.upper() or source.lower().startswith("claude"):
        return None
    return LoginRequired(
        "Claude Code is logged in with something other than a subscription; the hub uses "
        f"subscriptions only. {REMEDY}",
        detail=f"tokenSource: {source}",
    )


def refuse_key_source(source: str | None) -> HubError | None:
    """Why `apiKeySource`, of the account or of a turn's `system/init`, forbids going on."""
    if source in _NONE:
        return None
    return LoginRequired(
        "Claude Code would bill an API key; the hub uses subscriptions only. Remove the key from "
        f"Claude Code's configuration, or give the hub a login of its own: {REMEDY}",
        detail=f"apiKeySource: {source}",
    )
