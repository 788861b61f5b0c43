"""What `doctor` says about a provider: its program, its login and its self-test."""

from llm_mcp_hub.commands.provider_setup import find_setup
from llm_mcp_hub.commands.times import written
from llm_mcp_hub.domain.status import CredentialState, CredentialStatus, ProviderState
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.providers.setup import Finding, ProviderSetup
from llm_mcp_hub.services.status import ProviderReport

WELL = frozenset({CredentialState.READY, CredentialState.UNKNOWN})


def setups_of(hub: Hub) -> dict[str, ProviderSetup]:
    """How the hub's providers are set up, of those that need it."""
    added = {
        entry.name: {"kind": entry.kind, **entry.settings}
        for entry in hub.registry.entries()
        if entry.settings is not None
    }
    found = {
        provider.name: find_setup(hub.config, hub.plugins, provider.name, added)
        for provider in hub.registry
    }
    return {name: setup for name, setup in found.items() if setup is not None}


def check_provider(report: ProviderReport, setup: ProviderSetup | None) -> list[Finding]:
    """All there is to say about a provider."""
    found = list(setup.findings()) if setup is not None else []
    if report.credential is not None:
        found.append(_login(report.name, report.credential))
    found.append(_self_test(report))
    return found


def _login(name: str, credential: CredentialStatus) -> Finding:
    well = credential.state in WELL
    details = [credential.method, credential.plan, credential.account]
    if credential.refreshed_at is not None:
        details.append(f"renewed {written(credential.refreshed_at)}")
    if credential.last_error:
        details.append(credential.last_error)
    if credential.expires_at is not None:
        details.append(f"until {written(credential.expires_at)}")
    return Finding(
        well,
        f"Login {credential.state.value}: {credential.message}".rstrip(" .:"),
        ", ".join(part for part in details if part),
        credential.remedy or ("" if well else f"Run `llm-mcp-hub setup {name}`."),
    )


def _self_test(report: ProviderReport) -> Finding:
    if report.state is ProviderState.AVAILABLE:
        return Finding(True, "The self-test passed", report.version or "")
    if report.state is ProviderState.STARTING:
        return Finding(
            False,
            "The self-test does not end",
            "",
            "Look at the load of this machine and try again.",
        )
    problem, _, remedy = report.reason.partition(". ")
    return Finding(
        False,
        f"The self-test failed: {problem}".rstrip("."),
        report.version or "",
        remedy or "Repair that, then run `llm-mcp-hub doctor` again.",
    )
