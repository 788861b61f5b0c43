"""What is wrong with the form of an access token is told in each language, by the field's label."""

import pytest

from llm_mcp_hub_dashboard.ui import access_views

FORM = {"name": "n8n", "scope-chat": True}


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "²", "9" * 5000])
@pytest.mark.parametrize(
    ("field", "english", "korean"),
    [
        ("requests_per_minute", "Requests per minute: ", "분당 요청: "),
        ("days", "Ends after so many days", "만료까지 일수"),
    ],
)
def test_a_number_that_is_none_is_told_by_its_field_s_label(field, english, korean, text):
    with pytest.raises(access_views.FormError) as refused:
        access_views.request({**FORM, field: text}, 0.0)
    assert refused.value.english.startswith(english)
    assert refused.value.korean.startswith(korean)


def test_a_token_without_a_scope_is_refused_in_each_language():
    with pytest.raises(access_views.FormError) as refused:
        access_views.request({"name": "n8n"}, 0.0)
    assert refused.value.english == "Choose at least one scope."
    assert refused.value.korean == "권한을 하나 이상 선택하세요."


def test_numbers_are_sent_as_they_are_and_days_as_a_time():
    form = {**FORM, "days": " 30 ", "tokens_per_day": "1000000"}
    body = access_views.request(form, 1000.0)
    assert body["limits"] == {"tokens_per_day": 1_000_000}
    assert body["expires_at"] == 1000.0 + 30 * access_views.DAY


def test_a_limit_is_called_what_the_form_calls_it():
    assert access_views.limit("requests_per_day", 9) == {
        "text": "Requests per day: 9",
        "text_ko": "일일 요청: 9",
    }
    assert access_views.limit("of_a_later_hub", 9)["text_ko"] == "of a later hub: 9"
