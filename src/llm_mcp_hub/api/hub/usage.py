"""`GET /v1/usage` and `GET /v1/usage/summary`: what has been used, as JSON or CSV."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, caller, guard
from llm_mcp_hub.api.hub.usage_csv import usage_csv
from llm_mcp_hub.domain.calendar import BucketSize
from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.usage import Dimension, UsageQuery, UsageReport, UsageSummary

PATH = "/v1/usage"
NO_GROUPS = "none"
_OFFSET = re.compile(r"([+ -])(\d\d):?(\d\d)")
_MAX_OFFSET = timedelta(hours=24)
_TIME = "Unix seconds, or a date and time such as `2026-11-26T09:00:00+09:00`"

AnyRequest = Request[None, None, State]
When = Annotated[str | None, QueryParameter(description=_TIME)]


def usage_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The routes for one hub. Callers see their own usage, `admin` everybody's."""
    guards = [guard(gate)]

    @get(
        PATH,
        guards=guards,
        security=SECURITY,
        tags=["usage"],
        responses=error_responses(),
        summary="What has been used, by time and by provider, model and access token",
    )
    async def get_usage(
        request: AnyRequest,
        since: Annotated[str | None, QueryParameter(name="from", description=_TIME)] = None,
        until: Annotated[str | None, QueryParameter(name="to", description=_TIME)] = None,
        bucket: Annotated[BucketSize, QueryParameter(name="bucket")] = BucketSize.DAY,
        group_by: Annotated[
            str,
            QueryParameter(
                name="group_by",
                pattern="^(none|((provider|model|access_token)(,(?!$)|$))+)$",
                description="`none`, or one or more of `provider`, `model`, `access_token`",
            ),
        ] = NO_GROUPS,
        tz: Annotated[
            str,
            QueryParameter(
                name="tz",
                description="Where days begin: an offset such as `+09:00`, or `Asia/Seoul`",
            ),
        ] = "UTC",
        format: Annotated[  # noqa: A002  # its name in the query
            Literal["json", "csv"] | None,
            QueryParameter(name="format", description="By default what `Accept` asks for"),
        ] = None,
    ) -> UsageReport:
        zone = read_zone(tz)
        query = UsageQuery(
            since=read_time(since, zone, "from"),
            until=read_time(until, zone, "to"),
            bucket=bucket,
            group_by=read_group_by(group_by),
            zone=zone,
        )
        report = await hub.usage.report(caller(request.scope), query)
        if format == "csv" or (format is None and _wants_csv(request.headers.get("accept"))):
            answer: Any = Response(usage_csv(report, zone), media_type="text/csv")
            return answer  # type: ignore[no-any-return]  # the annotation is for the document
        return report

    @get(
        f"{PATH}/summary",
        guards=guards,
        security=SECURITY,
        tags=["usage"],
        responses=error_responses(),
        summary="The last sixty minutes",
    )
    async def get_usage_summary(request: AnyRequest) -> UsageSummary:
        return await hub.usage.summary(caller(request.scope))

    return [get_usage, get_usage_summary]


def read_time(text: str | None, zone: tzinfo, param: str) -> float | None:
    """A point in time; without an offset of its own it is one of the zone's.

    Raises:
        InvalidRequest: It is none.
    """
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        # In a query, a plus sign that is not escaped comes as a space.
        time = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d\Z)", "+", text))
        return (time if time.tzinfo is not None else time.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"`{param}` is Unix seconds, or a date and time such as `2026-11-26T09:00:00+09:00`.",
            param=param,
        ) from None


def read_zone(text: str) -> tzinfo:
    """A time zone by its offset from UTC or its name.

    Raises:
        InvalidRequest: There is no such zone.
    """
    match = _OFFSET.fullmatch(text)
    try:
        if match is not None:
            sign, hours, minutes = match.groups()
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            return timezone(-offset if sign == "-" else offset)
        return UTC if text.upper() in {"UTC", "Z"} else ZoneInfo(text)
    except (ValueError, ZoneInfoNotFoundError, OSError):
        raise InvalidRequest(
            "`tz` is an offset from UTC such as `+09:00`, or a name such as `Asia/Seoul`.",
            param="tz",
        ) from None


def read_group_by(text: str) -> tuple[Dimension, ...]:
    """What to tell apart, in the order of `Dimension`.

    Raises:
        InvalidRequest: There is no such thing.
    """
    names = set() if text == NO_GROUPS else set(text.split(","))
    if not names <= {one.value for one in Dimension}:
        raise InvalidRequest(
            "`group_by` is `none`, or one or more of `provider`, `model` and `access_token`.",
            param="group_by",
        )
    return tuple(one for one in Dimension if one.value in names)


def _wants_csv(accept: str | None) -> bool:
    """Whether CSV is named, and JSON is not named before it."""
    kinds = [part.partition(";")[0].strip().lower() for part in (accept or "").split(",")]
    return "text/csv" in kinds and "application/json" not in kinds[: kinds.index("text/csv")]
