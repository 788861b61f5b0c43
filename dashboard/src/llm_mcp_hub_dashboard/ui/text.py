"""Texts in two languages, side by side where they are used: `t("Providers", "제공자")`."""

from typing import Any

import reflex as rx
from reflex_components_core.base.fragment import Fragment  # type: ignore[import-untyped]  # has none


class Prefs(rx.State):
    """What this browser remembers of the admin's taste."""

    language: str = rx.LocalStorage("", name="hub_dashboard_language", sync=True)

    @rx.event
    def speak(self, language: str) -> None:
        """Choose a language: `en` or `ko`."""
        if language in {"en", "ko"}:
            self.language = language

    @rx.event
    def settle(self) -> None:
        """Where nothing was chosen, take the browser's language."""
        if self.language not in {"en", "ko"}:
            accepted = self.router.headers.raw_headers.get("accept-language", "")
            first = accepted.lower().partition(",")[0]
            self.language = "ko" if first.startswith("ko") else "en"


KOREAN = Prefs.language == "ko"


def t(english: object, korean: object) -> rx.Var[Any]:
    """A text in the language that the admin chose."""
    return rx.cond(KOREAN, korean, english)


def joined(start: str, end: Any) -> rx.Var[Any]:
    """A fixed text and one that may change."""
    return rx.Var.create(start) + rx.Var.create(end).to(str)


def hub_words(english: Any, korean: Any, **props: Any) -> rx.Component:
    """What the hub says, in Korean if that is known; a screen reader is told which it is."""
    spoken = rx.cond(KOREAN & (korean != english), "ko", "en")
    return rx.el.span(coded(t(english, korean)), lang=spoken, **props)


def coded(text: Any) -> rx.Component:
    """A text whose pieces between backticks are code; one backtick alone stays as it is."""
    pieces = rx.Var.create(text).to(str).split("`")

    def piece(words: Any, place: Any) -> rx.Component:
        alone = place == pieces.length() - 1
        code = rx.cond(alone, joined("`", words), rx.el.code(words, class_name="mono"))
        return rx.cond(place % 2 == 0, words, code)

    return rx.foreach(pieces, piece)


LOCALE = t("en-GB", "ko-KR")


class _Spoken(Fragment):
    """Tells the document which language its page is in; the built pages are said to be English."""

    def add_hooks(self) -> list[str | rx.Var[object]]:
        spoken = t("en", "ko")
        return [
            rx.Var(
                f"useEffect(() => {{ document.documentElement.lang = {spoken}; }}, [{spoken}]);",
                _var_data=spoken._get_all_var_data(),  # noqa: SLF001  # how Vars are made of Vars
            )
        ]

    def add_imports(self) -> dict[str, str | list[str]]:
        return {"react": ["useEffect"]}


def tell_language() -> rx.Component:
    """Without a trace on the page, tells browsers and screen readers which language it is in."""
    return _Spoken.create()
