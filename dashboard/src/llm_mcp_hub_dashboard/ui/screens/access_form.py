"""Creating an access token, whose text is shown once."""

import time
from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.rest import Rest
from llm_mcp_hub_dashboard.ui.access_views import DAYS, LIMITS, SCOPES, FormError, request
from llm_mcp_hub_dashboard.ui.clipboard import copy
from llm_mcp_hub_dashboard.ui.form import Form, trouble
from llm_mcp_hub_dashboard.ui.live import act
from llm_mcp_hub_dashboard.ui.notices import say
from llm_mcp_hub_dashboard.ui.parts import field, note
from llm_mcp_hub_dashboard.ui.text import t

COPIED = ("green", "The access token was copied.", "접근 토큰을 복사했습니다.")
NOT_COPIED = (
    "red",
    "The browser does not let this page copy: select the access token and copy it yourself.",
    "브라우저가 복사를 허용하지 않습니다. 접근 토큰을 선택해 직접 복사하세요.",
)
BATCH = t("Batch: requests of others go first", "배치: 다른 요청이 먼저 처리됩니다")


class AccessForm(Form, rx.State):
    """The form and the token that it made.

    Attributes:
        fresh: The new token's text, until it is put away.
    """

    fresh: str = ""
    fresh_name: str = ""

    @rx.event
    def toggle(self, is_open: bool) -> None:
        """Open the form, or close it, by Escape for instance."""
        self.tell("", "")
        self.is_open = is_open

    @rx.event
    def forget(self) -> None:
        """Put the new token's text away."""
        self.fresh = self.fresh_name = ""

    @rx.event
    async def copied(self, done: bool) -> None:
        """Say whether the browser has copied the new token's text."""
        await say(self, *(COPIED if done else NOT_COPIED))

    @rx.event(background=True)
    async def send(self, form: dict[str, Any]) -> None:
        """Create the token."""
        try:
            body = request(form, time.time())
        except FormError as error:
            async with self:
                self.tell(error.english, error.korean)
            return

        async def create(rest: Rest) -> Any:
            return await rest.call("POST", "/v1/access-tokens", body)

        async with self:
            self.sending = True
            self.tell("", "")
        made = await act(self, create, in_form=True)
        async with self:
            self.sending = False
            if made is not None:
                self.is_open = False
                self.fresh, self.fresh_name = made["token"], body["name"]


def fresh_token() -> rx.Component:
    """The new token's text, to be copied now or never."""
    return rx.cond(
        AccessForm.fresh != "",
        note(
            "green",
            "key-round",
            rx.el.p(
                t(
                    f"The access token {AccessForm.fresh_name}. It is shown only now: copy it.",
                    f"접근 토큰 {AccessForm.fresh_name}. 지금만 표시되니 복사해 두세요.",
                ),
                font_weight="600",
                margin_bottom=".5rem",
            ),
            rx.el.div(
                rx.el.code(AccessForm.fresh, id="fresh-token"),
                rx.button(
                    t("Copy", "복사"),
                    on_click=copy(AccessForm.fresh, AccessForm.copied),
                    variant="soft",
                    size="2",
                ),
                rx.button(
                    t("Done", "닫기"),
                    on_click=AccessForm.forget,
                    variant="soft",
                    color_scheme="gray",
                    size="2",
                ),
                class_name="secret",
            ),
            margin_bottom="1rem",
            role="status",
        ),
    )


def create_access() -> rx.Component:
    """The button and the form that it opens."""
    return rx.fragment(
        rx.dialog.root(
            # A trigger, so that the focus returns to it.
            rx.dialog.trigger(
                rx.button(
                    rx.icon("plus", size=16, aria_hidden="true"),
                    t("Create token", "토큰 만들기"),
                )
            ),
            rx.dialog.content(
                rx.dialog.title(t("Create an access token", "접근 토큰 만들기"), size="4"),
                rx.dialog.description(
                    t(
                        "Its name is the principal that its sessions belong to.",
                        "토큰 이름이 곧 세션의 소유자 이름입니다.",
                    ),
                    size="2",
                    margin_bottom="1rem",
                ),
                rx.form(rx.el.div(*_fields(), class_name="form"), on_submit=AccessForm.send),
                max_width="30rem",
            ),
            open=AccessForm.is_open,
            on_open_change=AccessForm.toggle,
        ),
    )


def _fields() -> list[rx.Component]:
    return [
        field(
            t("Name", "이름"),
            rx.input(
                name="name", id="token-name", required=True, max_length=64, auto_complete="off"
            ),
            "token-name",
        ),
        rx.el.fieldset(
            rx.el.legend(t("Scopes", "권한"), class_name="soft small"),
            rx.flex(
                *[
                    rx.el.label(
                        rx.checkbox(
                            name=f"scope-{scope}",
                            default_checked=scope != "admin",
                            custom_attrs={"aria-label": scope},
                        ),
                        scope,
                        display="inline-flex",
                        gap=".4rem",
                        align_items="center",
                    )
                    for scope in SCOPES
                ],
                spacing="4",
                wrap="wrap",
            ),
            border="0",
            padding="0",
            margin="0",
        ),
        field(
            t(*DAYS),
            rx.input(name="days", id="token-days", input_mode="numeric"),
            "token-days",
        ),
        rx.el.div(
            *[
                field(
                    t(*label),
                    rx.input(name=name, id=f"token-{name}", input_mode="numeric"),
                    f"token-{name}",
                )
                for name, label in LIMITS.items()
            ],
            display="grid",
            grid_template_columns="1fr 1fr",
            gap=".75rem",
        ),
        rx.el.label(
            rx.checkbox(name="batch", custom_attrs={"aria-label": BATCH}),
            BATCH,
            display="inline-flex",
            gap=".4rem",
            align_items="center",
            font_size="var(--font-size-2)",
        ),
        trouble(AccessForm),
        rx.flex(
            rx.dialog.close(
                rx.button(t("Cancel", "취소"), variant="soft", color_scheme="gray", type="button")
            ),
            rx.button(t("Create", "만들기"), type="submit", loading=AccessForm.sending),
            spacing="3",
            justify="end",
        ),
    ]
