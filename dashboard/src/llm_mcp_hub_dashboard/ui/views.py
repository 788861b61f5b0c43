"""What the REST API says, as the screens show it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from llm_mcp_hub_dashboard.ui.korean import both

Json = Mapping[str, Any]
Row = dict[str, Any]

LEVELS = {"error": ("critical", "red"), "warning": ("warning", "amber"), "info": ("info", "gray")}
STATE_COLOURS = {"available": "green", "starting": "amber", "unavailable": "red"}
HEALTH_COLOURS = {"healthy": "green", "degraded": "amber", "unhealthy": "red"}
TOKEN_COLOURS = {"valid": "green", "warning": "amber", "expired": "red", "unknown": "gray"}
NOT_SET_UP = "not_set_up"
"""The state of a provider that came with its plugin, while nobody has logged in."""
TOKEN_ORDER = ("expired", "warning", "unknown", "valid", NOT_SET_UP)
STORES = {"sqlite": "SQLite", "redis": "Redis", "memory": "Memory"}


def alerts(body: Json) -> list[Row]:
    """The alerts, in the hub's order: the worst first."""
    return [
        {
            "level": LEVELS[alert["severity"]][0],
            "colour": LEVELS[alert["severity"]][1],
            "subject": alert["subject"],
            **both("text", alert["message"]),
            **both("remedy", alert["remedy"]),
            "since": alert["since"],
        }
        for alert in body["data"]
    ]


def health(body: Json) -> Row:
    """The hub at a glance."""
    return {
        "status": body["status"],
        "colour": HEALTH_COLOURS[body["status"]],
        "hub_colour": HEALTH_COLOURS[body["hub"]["status"]],
        **both("hub_message", body["hub"]["message"]),
        "state_colour": HEALTH_COLOURS[body["state"]["status"]],
        "state_kind": STORES.get(body["state"]["kind"], body["state"]["kind"]),
        **both("state_message", body["state"]["message"]),
        "providers": body["providers"],
    }


def counts(states: Mapping[str, str], unused: Iterable[str]) -> Row:
    """How many providers take requests, of those that are set up: as `/v1/overview` counts.

    Args:
        states: Of each provider, by name.
        unused: The providers that are not set up.
    """
    total = len(states.keys() - set(unused))
    available = sum(state == "available" for state in states.values())
    colour = "green" if 0 < total <= available else "amber" if available else "red"
    return {"available": available, "total": total, "colour": colour}


def unused(body: Json) -> list[str]:
    """The names of the providers that are not set up."""
    return [one["name"] for one in body["data"] if not one["set_up"]]


def pressure(body: Json) -> Row:
    """What runs and what waits."""
    providers = body["providers"]
    return {
        "running": body["running"],
        "queued": sum(one["queued"] for one in providers),
        "max_queue": sum(one["max_queue"] for one in providers),
        "busy": sum(one["busy"] for one in providers),
        "max_workers": sum(one["max_workers"] for one in providers),
    }


def provider(body: Json, workers: Iterable[Json] = ()) -> Row:
    """A provider as a card."""
    pool = body["pool"]
    credential = body["credential"] or {}
    used = body["set_up"]
    inside = pool["blank"] + pool["starting"] + pool["ending"] + pool["claimed"] + pool["parked"]
    return {
        "name": body["name"],
        "kind": body.get("kind", ""),
        "state": body["state"] if used else NOT_SET_UP,
        "colour": STATE_COLOURS[body["state"]] if used else "gray",
        **both("reason", body["reason"] if used else ""),
        **both("warning", body["warning"] if used else ""),
        **both("remedy", credential.get("remedy", "")),
        "version": body["version"] or "–",
        "authentication": body["authentication"] or "–",
        "plan": credential.get("plan") or "–",
        "models": [
            {"id": f"{body['name']}/{card['name']}", "title": card["title"] or card["name"]}
            for card in body["models"]
        ],
        "workers": f"{inside} / {pool['max_workers']}",
        "claimed": pool["claimed"],
        "parked": pool["parked"],
        "blank": pool["blank"],
        "queue": f"{pool['queued']} / {pool['max_queue']}",
        "wait_p95": pool["wait_p95"],
        "served": pool["served"],
        "refused": pool["refused"],
        "died": pool["died"],
        # What keeps workers from starting often is why the provider is unavailable.
        **both("paused", pool["paused"] if pool["paused"] != body["reason"] else ""),
        "quota": [quota(window) for window in body["quota"]],
        "pool": [worker(one) for one in workers],
        "draining": body.get("draining", False),
        "removing": body.get("removing", False),
        "removable": body.get("origin") == "added",
    }


def default_model(models: Sequence[str], providers: Iterable[Json]) -> str:
    """What the hub asks by default, as far as it is not a session that decides.

    That is the alias `default`, or else the first model of the first provider that is available.

    Args:
        models: The ids that can be asked for.
        providers: In the hub's order.

    Returns:
        Where no provider is available, the first model; empty if there is none.
    """
    if "default" in models:
        return "default"
    for one in providers:
        if one["state"] == "available" and one["models"]:
            first = f"{one['name']}/{one['models'][0]['name']}"
            if first in models:
                return first
    return models[0] if models else ""


def quota(window: Json) -> Row:
    """A window of the subscription's."""
    used = window["utilization"]
    return {
        "name": window["name"].replace("_", " "),
        "used": used,
        "resets_at": window["resets_at"],
        "status": window["status"] or "",
        "colour": "gray"
        if used is None
        else "red"
        if used >= 0.9
        else "amber"
        if used >= 0.7
        else "teal",
    }


def worker(body: Json) -> Row:
    """A worker as a row."""
    return {
        "pid": body["pid"],
        "state": body["state"],
        "age": body["age_seconds"],
        "turns": body["turns"],
        "rss": body["rss_bytes"],
        "cpu": body["cpu_seconds"],
        "principal": body["principal"] or "–",
    }


def tokens(body: Json, unused: Iterable[str] = ()) -> list[Row]:
    """The providers' logins as cards, those first that need something done.

    Args:
        body: What the hub says of all logins.
        unused: The providers that are not set up: they have no login yet that could be wrong.
    """
    missing = set(unused)
    rows = [
        {
            "provider": one["provider"],
            "status": NOT_SET_UP if one["provider"] in missing else one["status"],
            "colour": "gray" if one["provider"] in missing else TOKEN_COLOURS[one["status"]],
            "method": one["method"] or "–",
            "plan": one["plan"] or "–",
            "expires_at": one["expires_at"],
            "days_left": one["days_left"],
            "verified_at": one["verified_at"],
            **both("message", one["message"]),
            **both("remedy", one["remedy"]),
            "renewal_url": one["renewal_url"],
        }
        for one in body["data"]
    ]
    return sorted(rows, key=lambda row: (TOKEN_ORDER.index(row["status"]), row["provider"]))


def session(body: Json) -> Row:
    """A session as a row."""
    usage = body["usage"]
    return {
        "id": body["id"],
        "owner": body["owner"],
        "model": body["model"],
        "title": body.get("title", ""),
        "messages": body["message_count"],
        "input_tokens": usage["input_tokens"],
        "output_tokens": usage["output_tokens"],
        "tokens": usage["input_tokens"] + usage["output_tokens"],
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
        "expires_at": body["expires_at"],
        "running_turn": body.get("running_turn") or "",
    }


def beginning(turns: Iterable[Json], session_id: str, owner: str) -> Row | None:
    """A session that is not stored yet, by the turn that runs on it; None if none does.

    Args:
        turns: All that run.
        session_id: Its id.
        owner: Whose it is.
    """
    for turn in turns:
        if turn["session_id"] == session_id and turn["owner"] == owner:
            times = {"created_at": turn["created_at"], "updated_at": None, "expires_at": None}
            usage = {"input_tokens": 0, "output_tokens": 0}
            known = {"id": session_id, "owner": turn["owner"], "model": turn["model"]}
            more = {"message_count": 0, "usage": usage, "running_turn": turn["id"]}
            return session({**known, **times, **more})
    return None


def last_hour(body: Json) -> Row:
    """Requests and errors of the last hour."""
    figures = body["figures"]
    requests = figures["requests"]
    return {
        "requests": requests,
        "failed": figures["failed"],
        "error_rate": figures["failed"] / requests if requests else None,
        "p95_seconds": figures["p95_seconds"],
    }


def running(body: Json) -> list[Row]:
    """The turns that run, as rows."""
    return [
        {
            "id": one["id"],
            "owner": one["owner"],
            "model": one["model"],
            "created_at": one["created_at"],
            "href": session_link(one["session_id"], one["owner"]) if one["session_id"] else "",
        }
        for one in body["data"]
    ]


def session_link(session_id: str, owner: str) -> str:
    """Where a session is shown."""
    return "/session?" + urlencode({"id": session_id, "owner": owner})
