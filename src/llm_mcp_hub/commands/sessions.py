"""`llm-mcp-hub sessions`: the conversations that the hub remembers.

The command line is the principal `local`, who may see everybody's with `--owner` or `--all`.
"""

import asyncio

import click

from llm_mcp_hub.api.hub.schemas import session_detail, session_object
from llm_mcp_hub.commands.embedded import open_store
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import note, write_json, write_table
from llm_mcp_hub.commands.times import written
from llm_mcp_hub.domain.chat import FilePart, ImagePart, Message, TextPart, ToolCallPart
from llm_mcp_hub.domain.session import Session, SessionSummary
from llm_mcp_hub.services.access import LOCAL
from llm_mcp_hub.services.sessions import MAX_PAGE, SessionService

owner_option = click.option("--owner", metavar="NAME", help="Whose session. Default: local.")
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.group("sessions")
def command() -> None:
    """List, show and delete remembered conversations."""


@command.command("list")
@click.option("--all", "everybody", is_flag=True, help="Everybody's sessions.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@owner_option
@json_option
@hub_options
def list_(place: Place, owner: str | None, everybody: bool, limit: int, as_json: bool) -> None:
    """List sessions, newest first."""
    found = asyncio.run(_list(place, owner, everybody, limit))
    if as_json:
        write_json([session_object(summary) for summary in found])
        return
    write_table(
        ("ID", "OWNER", "MODEL", "MESSAGES", "UPDATED", "EXPIRES"),
        [
            (
                one.id,
                one.principal,
                one.model,
                str(one.message_count),
                written(one.updated_at),
                written(one.expires_at),
            )
            for one in found
        ],
    )


@command.command("show")
@click.argument("session_id", metavar="ID")
@owner_option
@json_option
@hub_options
def show(place: Place, session_id: str, owner: str | None, as_json: bool) -> None:
    """Show the conversation of the session ID."""
    session = asyncio.run(_get(place, owner, session_id))
    if as_json:
        write_json(session_detail(session))
        return
    one = session.summary
    click.echo(f"{one.id}  {one.model}  {one.principal}  until {written(one.expires_at)}")
    if one.system:
        click.echo(f"\nsystem: {one.system}")
    for entry in session.messages:
        click.echo(f"\n{entry.message.role}: {_text(entry.message)}")


@command.command("delete")
@click.argument("session_id", metavar="ID")
@owner_option
@hub_options
def delete(place: Place, session_id: str, owner: str | None) -> None:
    """Forget the session ID."""
    asyncio.run(_delete(place, owner, session_id))
    note(f"Deleted {session_id!r}.")


async def _list(
    place: Place, owner: str | None, everybody: bool, limit: int
) -> list[SessionSummary]:
    found: list[SessionSummary] = []
    cursor: str | None = None
    async with open_store(place) as store:
        service = SessionService(store)
        while len(found) < limit:
            size = min(limit - len(found), MAX_PAGE)
            page = await service.list(LOCAL, owner, size, cursor, everybody=everybody)
            found += page.sessions
            cursor = page.next_cursor
            if cursor is None:
                break
    return found


async def _get(place: Place, owner: str | None, session_id: str) -> Session:
    async with open_store(place) as store:
        return await SessionService(store).get(LOCAL, owner, session_id)


async def _delete(place: Place, owner: str | None, session_id: str) -> None:
    async with open_store(place) as store:
        await SessionService(store).delete(LOCAL, owner, session_id)


def _text(message: Message) -> str:
    return "\n".join(_part(part) for part in message.parts)


def _part(part: object) -> str:
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, ImagePart):
        return f"[image {part.media_type}]"
    if isinstance(part, FilePart):
        return f"[file {part.media_type} {part.name}]"
    if isinstance(part, ToolCallPart):
        return f"[calls {part.name} {part.arguments}]"
    return f"[result] {getattr(part, 'text', '')}"
