"""Adding a provider: its name, its kind, and the settings that the kind may be given."""

from typing import Any

import msgspec
import reflex as rx

from llm_mcp_hub_dashboard.server.rest import Rest
from llm_mcp_hub_dashboard.ui.form import Form, trouble
from llm_mcp_hub_dashboard.ui.live import act
from llm_mcp_hub_dashboard.ui.parts import field
from llm_mcp_hub_dashboard.ui.text import t


class ProviderForm(Form, rx.State):
    """The form.

    Attributes:
        kinds: What can be added.
        settings: JSON text.
        example: Names of the settings that the kind may be given.
    """

    kinds: list[str] = []
    kind: str = ""
    name: str = ""
    settings: str = "{}"
    example: str = ""
    _schemas: dict[str, Any] = {}

    @rx.event(background=True)
    async def begin(self) -> None:
        """Ask what can be added, and open the form."""
        found = await act(self, lambda rest: rest.get("/v1/provider-kinds"))
        if found is None:
            return
        async with self:
            self._schemas = {one["kind"]: one["settings"] for one in found["data"]}
            self.kinds = list(self._schemas)
            self.name, self.settings = "", "{}"
            self.tell("", "")
            self._choose(self.kinds[0] if self.kinds else "")
            self.is_open = True

    @rx.event
    def choose(self, kind: str) -> None:
        """Choose a kind."""
        self._choose(kind)

    @rx.event
    def toggle(self, is_open: bool) -> Any:
        """Begin with the form, or close it, by Escape for instance."""
        if is_open:
            return ProviderForm.begin
        self.is_open = False
        return None

    @rx.event(background=True)
    async def send(self, form: dict[str, Any]) -> None:
        """Add the provider."""
        name, text = str(form.get("name", "")).strip(), str(form.get("settings", "")).strip()
        async with self:
            self.tell("", "")
            self.name, self.settings = name, text
            kind = self.kind
        try:
            settings = msgspec.json.decode(text or "{}", type=dict[str, Any])
        except msgspec.DecodeError as error:
            async with self:
                self.tell(
                    f"The settings are not a JSON object: {error}",
                    f"설정이 JSON 객체가 아닙니다: {error}",
                )
            return
        body = {"name": name, "kind": kind, "settings": settings}

        async def add(rest: Rest) -> Any:
            return await rest.call("POST", "/v1/providers", body)

        async with self:
            self.sending = True
        done = await act(
            self, add, f"{name} was added.", f"{name}을(를) 추가했습니다.", in_form=True
        )
        async with self:
            self.sending = False
            self.is_open = done is None

    def _choose(self, kind: str) -> None:
        self.kind = kind
        schema = self._schemas.get(kind)
        self.example = ", ".join(properties(schema)) if schema else ""


def properties(schema: dict[str, Any]) -> list[str]:
    """The names of the settings in a JSON Schema of msgspec's."""
    if "$ref" in schema:
        schema = schema.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {})
    return list(schema.get("properties", {}))


def add_provider() -> rx.Component:
    """The button and the form that it opens."""
    return rx.fragment(
        rx.dialog.root(
            # A trigger, so that the focus returns to it.
            rx.dialog.trigger(
                rx.button(
                    rx.icon("plus", size=16, aria_hidden="true"),
                    t("Add provider", "제공자 추가"),
                )
            ),
            rx.dialog.content(
                rx.dialog.title(t("Add a provider", "제공자 추가"), size="4"),
                rx.dialog.description(
                    t(
                        "Of a plugin that is installed. What it runs can't be set here.",
                        "설치된 플러그인의 제공자를 추가합니다. "
                        "실행할 프로그램은 여기에서 정할 수 없습니다.",
                    ),
                    size="2",
                    margin_bottom="1rem",
                ),
                rx.form(
                    rx.el.div(
                        field(
                            t("Kind", "종류"),
                            rx.select(
                                ProviderForm.kinds,
                                value=ProviderForm.kind,
                                on_change=ProviderForm.choose,
                                id="provider-kind",
                            ),
                            "provider-kind",
                        ),
                        field(
                            t("Name", "이름"),
                            rx.input(
                                name="name",
                                id="provider-name",
                                default_value=ProviderForm.name,
                                required=True,
                                auto_complete="off",
                            ),
                            "provider-name",
                        ),
                        field(
                            t("Settings (JSON)", "설정 (JSON)"),
                            rx.text_area(
                                name="settings",
                                id="provider-settings",
                                default_value=ProviderForm.settings,
                                rows="4",
                                spell_check=False,
                            ),
                            "provider-settings",
                        ),
                        rx.cond(
                            ProviderForm.example != "",
                            rx.el.p(
                                t("It may be given: ", "줄 수 있는 설정: "),
                                rx.el.span(ProviderForm.example, class_name="mono"),
                                class_name="soft small",
                            ),
                        ),
                        trouble(ProviderForm),
                        rx.flex(
                            rx.dialog.close(
                                rx.button(
                                    t("Cancel", "취소"),
                                    variant="soft",
                                    color_scheme="gray",
                                    type="button",
                                )
                            ),
                            rx.button(
                                t("Add", "추가"), type="submit", loading=ProviderForm.sending
                            ),
                            spacing="3",
                            justify="end",
                        ),
                        class_name="form",
                    ),
                    on_submit=ProviderForm.send,
                ),
                max_width="30rem",
            ),
            open=ProviderForm.is_open,
            on_open_change=ProviderForm.toggle,
        ),
    )
