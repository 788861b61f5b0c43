"""Names of models: offered, aliased, or refused."""

import re

import pytest

from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.errors import ConfigError, UnknownModel
from llm_mcp_hub.providers.model_names import check_aliases, check_model, with_aliases

OFFERED = (ModelCard("small"), ModelCard("large"))
FULL = re.compile(r"model-[0-9]+")


def test_aliases_come_last_and_say_what_they_stand_for() -> None:
    cards = with_aliases(OFFERED, {"fast": "small"})
    assert cards == (*OFFERED, ModelCard("fast", "small (fast)"))


@pytest.mark.parametrize("aliases", [{"": "small"}, {"fast": ""}])
def test_an_empty_alias_is_refused(aliases: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        check_aliases(aliases, "providers.mine")
    assert caught.value.param == "providers.mine.aliases"


def test_a_name_is_taken_if_it_is_offered_or_a_full_one() -> None:
    check_model("large", OFFERED, "Vendor")
    check_model("model-7", OFFERED, "Vendor", FULL)


@pytest.mark.parametrize(("name", "full"), [("model-7", None), ("model-7x", FULL), ("", FULL)])
def test_another_name_is_refused_with_those_offered(
    name: str, full: "re.Pattern[str] | None"
) -> None:
    with pytest.raises(UnknownModel, match=r"^Vendor does not offer .* Offered: small, large\.$"):
        check_model(name, OFFERED, "Vendor", full)
