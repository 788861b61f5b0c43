"""Copying to the admin's clipboard, which a browser may refuse."""

from typing import Any

import reflex as rx
from reflex_base.utils.format import format_queue_events


def copy(text: Any, told: Any) -> Any:
    """An event in which the browser copies a text, and `told` gets whether it did."""
    write = f"async () => {{ try {{ await navigator.clipboard.writeText({text}); return true; }}"
    code = rx.Var(f"{write} catch {{ return false; }} }}")
    asked = rx.call_function(code)
    # Reflex's own argument for it is text that would have to be evaluated.
    answer = format_queue_events(told, args_spec=lambda done: [done])
    args = tuple((name, answer if str(name) == "callback" else value) for name, value in asked.args)
    return asked.with_args(args)
