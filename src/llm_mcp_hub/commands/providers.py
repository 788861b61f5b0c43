"""`llm-mcp-hub providers`: what could answer, as the hub finds it now.

It starts each provider's tool once, as the hub does, and spends nothing. With `--watch` it looks at
a hub that is running instead. Its subcommands change what there is: `provider_changes`.
"""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import click
from click.core import ParameterSource

from llm_mcp_hub.commands.embedded import open_hub, settle
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import progress, write_json, write_table
from llm_mcp_hub.commands.provider_changes import add, drain, remove, restart, resume
from llm_mcp_hub.commands.remote import read_url
from llm_mcp_hub.commands.times import days_left
from llm_mcp_hub.commands.watch import watch
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.status import CredentialStatus
from llm_mcp_hub.services.status import ProviderReport


@click.group("providers", invoke_without_command=True)
@click.option("--demo", is_flag=True, help="Turn the echo provider on.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--watch", "watching", is_flag=True, help="Show the workers of a running hub.")
@click.option(
    "--url",
    metavar="URL",
    callback=read_url,
    help="With --watch: where the hub is. Default: here.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With --watch: holds an access token. Default: one made for this.",
)
@hub_options
@click.pass_context
def command(
    context: click.Context,
    place: Place,
    demo: bool,
    as_json: bool,
    watching: bool,
    url: str | None,
    token_file: Path | None,
) -> None:
    """Show the providers, their logins and models; or add, remove, drain, resume, restart one."""
    if context.invoked_subcommand is not None:
        given = map(context.get_parameter_source, context.params)
        if ParameterSource.COMMANDLINE in given:
            raise click.UsageError(f"Write the options after `{context.invoked_subcommand}`.")
        return
    if watching:
        with suppress(KeyboardInterrupt):
            asyncio.run(watch(place, url, token_file, as_json=as_json))
        return
    config = place.read({"demo": demo or None})
    with progress("Asking the providers…"):
        reports = asyncio.run(_reports(config))
    if as_json:
        write_json(reports)
        return
    now = time.time()
    write_table(
        ("NAME", "STATE", "AUTH", "LOGIN", "WORKERS", "CAN", "MODELS", "REASON"),
        [
            (
                report.name,
                report.state.value,
                report.authentication or "-",
                login_words(report.credential, now),
                str(report.pool.max_workers),
                ", ".join(report.capabilities) or "-",
                ", ".join(card.name for card in report.models) or "-",
                report.reason or "-",
            )
            for report in reports
        ],
    )


for _change in (add, remove, drain, resume, restart):
    command.add_command(_change)


async def _reports(config: HubConfig) -> list[ProviderReport]:
    async with open_hub(config) as hub:
        await settle(hub)
        return await hub.status.providers()


def login_words(credential: CredentialStatus | None, now: float) -> str:
    """The state of a login in a few words."""
    if credential is None:
        return "-"
    if credential.expires_at is None:
        return credential.state.value
    return f"{credential.state.value}, {days_left(credential.expires_at, now)}"
