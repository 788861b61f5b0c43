"""What is wrong with the hub now, from what is known about its parts; pure."""

import math
from collections.abc import Iterable, Mapping

from msgspec import Struct

from llm_mcp_hub.domain.alert import Alert, Notice, Severity
from llm_mcp_hub.domain.status import CredentialState, CredentialStatus, ProviderState
from llm_mcp_hub.plugins import PluginInfo
from llm_mcp_hub.services.status import Health, HealthReport, ProviderReport

DAY_SECONDS = 86_400.0
_ENDED = (CredentialState.EXPIRED, CredentialState.MISSING)


class Facts(Struct, frozen=True):
    """All that alerts are made from.

    Attributes:
        webhook: What is wrong with the webhook; empty if nothing is, or there is none.
    """

    health: HealthReport
    providers: tuple[ProviderReport, ...]
    plugins: tuple[PluginInfo, ...]
    webhook: str = ""


def alerts_of(facts: Facts, since: Mapping[str, float], now: float) -> list[Alert]:
    """Every alert, the worst first.

    Args:
        facts: What is known.
        since: When each of the alerts that were there before was first seen, by id.
        now: Unix seconds.
    """
    found: list[Alert] = []

    def add(
        kind: str, severity: Severity, subject: str, message: str, remedy: str = "", part: str = ""
    ) -> None:
        name = ":".join(word for word in (kind, subject, part) if word)
        first = since.get(name, now)
        found.append(Alert(name, kind, severity, subject, message, remedy, first))

    state = facts.health.state
    if state.status is not Health.HEALTHY:
        message = f"The state store ({state.kind}) does not answer: {state.message}"
        add("state", Severity.ERROR, "", message, "Bring it back; the hub finds it by itself.")
    for report in facts.providers:
        if not report.set_up:
            remedy = report.credential.remedy if report.credential is not None else ""
            add("provider", Severity.INFO, report.name, "It was never set up.", remedy, "unused")
            continue
        login = report.credential
        ended = login is not None and login.state in _ENDED
        if login is not None and (ended or login.state is CredentialState.EXPIRING):
            severity = Severity.ERROR if ended else Severity.WARNING
            add("login", severity, report.name, login.message, login.remedy)
        if report.state is ProviderState.UNAVAILABLE and not ended:
            add("provider", Severity.ERROR, report.name, report.reason)
        elif report.warning:
            add("provider", Severity.WARNING, report.name, report.warning, part="warning")
    for plugin in facts.plugins:
        if plugin.error is not None:
            remedy = f"Update or remove {plugin.distribution}, then restart the hub."
            message = f"The plugin is left out: {plugin.error}"
            add("plugin", Severity.WARNING, plugin.name, message, remedy)
    if facts.webhook:
        remedy = "Check `alerts.webhook_url`; the hub goes on trying."
        add("webhook", Severity.WARNING, "", facts.webhook, remedy)
    if facts.health.hub.status is not Health.HEALTHY:
        add("hub", Severity.INFO, "", f"The hub is {facts.health.hub.message}.", part="draining")
    order = list(Severity)[::-1]
    return sorted(found, key=lambda alert: (order.index(alert.severity), alert.id))


def due_threshold(expires_at: float, days: Iterable[int], now: float) -> int | None:
    """The least of `days`, or 0 for a login that has ended, that its end is within; else None."""
    left = (expires_at - now) / DAY_SECONDS
    if left <= 0:
        return 0
    return min((each for each in days if left <= each), default=None)


def login_notice(provider: str, login: CredentialStatus, hub: str, now: float) -> Notice:
    """What to tell of a login that ends, or has ended, at a known time."""
    expires_at = login.expires_at if login.expires_at is not None else now
    days_left = math.floor((expires_at - now) / DAY_SECONDS)
    ended = expires_at <= now
    when = "has ended" if ended else f"ends in {_days(days_left)}"
    return Notice(
        type="login.expired" if ended else "login.expiring",
        severity=Severity.ERROR if ended else Severity.WARNING,
        provider=provider,
        hub=hub,
        text=f"LLM MCP Hub on {hub}: the login of {provider} {when}. {login.remedy}".rstrip(),
        message=login.message,
        remedy=login.remedy,
        at=now,
        expires_at=expires_at,
        days_left=days_left,
    )


def provider_notice(provider: str, reason: str, hub: str, now: float) -> Notice:
    """What to tell of a provider that is unavailable, or available again if there is no reason."""
    what = "is unavailable" if reason else "is available again"
    return Notice(
        type="provider.unavailable" if reason else "provider.available",
        severity=Severity.ERROR if reason else Severity.INFO,
        provider=provider,
        hub=hub,
        text=f"LLM MCP Hub on {hub}: {provider} {what}. {reason}".rstrip(),
        message=reason,
        remedy="",
        at=now,
    )


def _days(count: int) -> str:
    if count < 1:
        return "less than a day"
    return "1 day" if count == 1 else f"{count} days"
