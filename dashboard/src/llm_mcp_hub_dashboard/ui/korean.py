"""What the hub says, in Korean. Pure.

Guarantee: what is not known word for word stays English as a whole, so nothing is half translated
and nothing is lost. The hub says what is wrong in English only; errors are known by their codes,
and the reasons and remedies of providers and logins by their sentences.
"""

import re
from functools import lru_cache
from typing import Any

SENTENCES = {
    # Alerts and health.
    "It was never set up.": "아직 설정되지 않았습니다.",
    "The state store ({}) does not answer: {}": "상태 저장소({})가 응답하지 않습니다: {}",
    "Bring it back; the hub finds it by itself.": (
        "저장소를 복구하세요. 허브가 스스로 다시 찾습니다."
    ),
    "The plugin is left out: {}": "플러그인을 제외했습니다: {}",
    "Update or remove {}, then restart the hub.": (
        "{}을(를) 업데이트하거나 제거한 뒤 허브를 다시 시작하세요."
    ),
    "Check `alerts.webhook_url`; the hub goes on trying.": (
        "`alerts.webhook_url`을 확인하세요. 허브가 계속 시도합니다."
    ),
    "The hub is shutting down.": "허브가 종료되는 중입니다.",
    "shutting down": "종료하는 중",
    "no answer within {} s": "{}초 안에 응답이 없음",
    # Providers.
    "{} is not installed.": "{}이(가) 설치되어 있지 않습니다.",
    "{} is not logged in.": "{}에 로그인되어 있지 않습니다.",
    "{} asks for a login.": "{}이(가) 로그인을 요구합니다.",
    "{} is not logged in, or its login was refused.": (
        "{}에 로그인되어 있지 않거나 로그인이 거부되었습니다."
    ),
    "{} refused the login: it has expired or was revoked.": (
        "{}이(가) 로그인을 거부했습니다. 만료되었거나 취소되었습니다."
    ),
    "{} refused the login ({}): it has expired, was revoked or lacks the right to use models.": (
        "{}이(가) 로그인을 거부했습니다({}). 만료되었거나 취소되었거나 모델을 쓸 권한이 없습니다."
    ),
    "{} {} is too old: the hub needs {} or newer.": (
        "{} {}은(는) 너무 오래되었습니다. {} 이상이 필요합니다."
    ),
    "The configured `executable` of {} does not exist or can't be run.": (
        "{}의 설정된 `executable`이 없거나 실행할 수 없습니다."
    ),
    "The program of {} does not exist or can't be run.": (
        "{}의 프로그램이 없거나 실행할 수 없습니다."
    ),
    "The provider's program failed unexpectedly more than {} times within {} s, and is tested "
    "again by itself.": (
        "제공자의 프로그램이 {1}초 안에 {0}번 넘게 예기치 않게 실패했습니다. "
        "허브가 스스로 다시 시험합니다."
    ),
    "The provider's program ended or misbehaved while it started.": (
        "제공자의 프로그램이 시작하다가 끝났거나 잘못 동작했습니다."
    ),
    "The last time: {}": "마지막 오류: {}",
    "The provider {} is drained: an administrator has it take no new turn.": (
        "관리자가 제공자 {}의 새 요청을 중지했습니다."
    ),
    "The provider {} is being removed and takes no new turn.": (
        "제공자 {}을(를) 제거하는 중이며 새 요청을 받지 않습니다."
    ),
    "Use another.": "다른 제공자를 쓰세요.",
    "Use another, or have it resumed: `{}`.": "다른 제공자를 쓰거나 `{}`(으)로 재개하세요.",
    "Run `{}`.": "`{}`을(를) 실행하세요.",
    "Run `{}` to log in again.": "`{}`을(를) 실행해 다시 로그인하세요.",
    "Run `{}` to install it for the hub alone.": "`{}`을(를) 실행해 허브 전용으로 설치하세요.",
    "Correct it, or remove the setting and run `{}`.": (
        "고치거나, 설정을 지우고 `{}`을(를) 실행하세요."
    ),
    "Install it, or correct `command`.": "설치하거나 `command`를 고치세요.",
    "Log in with the agent's own program.": "에이전트 자체 프로그램으로 로그인하세요.",
    # Logins.
    "The login is valid for {} more day.": "로그인이 {}일 더 유효합니다.",
    "The login is valid for {} more days.": "로그인이 {}일 더 유효합니다.",
    "The login ends within a day.": "로그인이 하루 안에 끝납니다.",
    "The login has expired.": "로그인이 만료되었습니다.",
    "The login has expired and can't be renewed.": "로그인이 만료되었고 갱신할 수 없습니다.",
    "The login was refused.": "로그인이 거부되었습니다.",
    "The stored login is damaged.": "저장된 로그인이 손상되었습니다.",
    "The stored login can't be read: {}.": "저장된 로그인을 읽을 수 없습니다: {}.",
    "The token file can't be read: {}.": "토큰 파일을 읽을 수 없습니다: {}.",
    "The token file is empty or can't be read.": "토큰 파일이 비어 있거나 읽을 수 없습니다.",
    "Others than its owner can read the token file: `chmod 600` it.": (
        "소유자가 아닌 사람도 토큰 파일을 읽을 수 있습니다. `chmod 600`을 하세요."
    ),
    "Claude Code is logged in without a subscription.": (
        "Claude Code가 구독 없이 로그인되어 있습니다."
    ),
    "Logged in; how long the login lasts is not known.": (
        "로그인되어 있습니다. 로그인이 얼마나 유효한지는 알 수 없습니다."
    ),
    "Logged in; how long the login can be renewed is not known.": (
        "로그인되어 있습니다. 로그인을 언제까지 갱신할 수 있는지는 알 수 없습니다."
    ),
    "The access token has expired; whether Claude Code can renew it is not known.": (
        "접근 토큰이 만료되었습니다. Claude Code가 갱신할 수 있는지는 알 수 없습니다."
    ),
    "When the token was issued is not known, nor therefore its end.": (
        "토큰을 언제 발급했는지 알 수 없어 언제 끝나는지도 알 수 없습니다."
    ),
    'Write {"issued_at": UNIX_SECONDS} to {} beside it, or make a new token with `{}`.': (
        '옆에 있는 {}에 {{"issued_at": UNIX_SECONDS}}를 쓰거나 `{}`(으)로 새 토큰을 만드세요.'
    ),
    "If requests are refused:": "요청이 거부되면:",
    "The files of the login are there; how long it lasts is not known.": (
        "로그인 파일은 있습니다. 얼마나 유효한지는 알 수 없습니다."
    ),
    "A file of the login is missing.": "로그인 파일이 없습니다.",
}
"""Whole sentences, and pieces that end in a colon. `{}` is whatever stands there."""

HOLE = r"([^\s.](?:[^.]|\.(?=\S))*?)"
"""What a `{}` may be: not the end of a sentence and the beginning of another."""

ERRORS = {
    "bad_request": "요청을 처리할 수 없습니다.",
    "invalid_request": "요청이 올바르지 않습니다.",
    "unsupported_parameter": "지원하지 않는 매개변수입니다.",
    "context_length_exceeded": "대화가 모델이 받을 수 있는 길이를 넘었습니다.",
    "request_too_large": "요청이 너무 큽니다.",
    "unsupported_media_type": "요청 본문이 압축되어 있습니다. 압축하지 않고 보내세요.",
    "idempotency_key_reused": "같은 Idempotency-Key로 다른 요청이 있었습니다.",
    "not_authenticated": "접근 토큰이 없거나 허브가 모르는 토큰입니다.",
    "not_permitted": "이 작업을 할 권한이 없습니다.",
    "not_found": "찾을 수 없습니다.",
    "route_not_found": "그런 주소가 없습니다.",
    "method_not_allowed": "이 주소에서 할 수 없는 작업입니다.",
    "model_not_found": "그런 모델이 없습니다.",
    "provider_not_found": "그런 제공자가 없습니다.",
    "session_not_found": "그런 세션이 없습니다.",
    "turn_not_found": "그런 요청이 없습니다.",
    "response_not_found": "그런 응답이 없습니다.",
    "previous_response_not_found": "이어 갈 이전 응답이 없습니다.",
    "access_token_not_found": "그런 접근 토큰이 없습니다.",
    "conflict": "지금 상태에서는 할 수 없는 작업입니다.",
    "session_busy": "이 세션에서 다른 요청이 실행 중입니다.",
    "session_changed": "요청이 실행되는 동안 세션이 바뀌었거나 삭제되었습니다.",
    "session_ended": "세션이 삭제되어 요청이 중단되었습니다.",
    "name_taken": "이미 쓰이는 이름입니다.",
    "provider_configured": "설정 파일에 있는 제공자는 제거할 수 없습니다.",
    "last_admin_token": "마지막 관리자 토큰은 폐기하거나 바꿀 수 없습니다.",
    "limit_reached": "한도에 도달했습니다.",
    "rate_limit_exceeded": "접근 토큰의 분당 요청 한도에 도달했습니다.",
    "quota_exhausted": "접근 토큰의 하루 한도를 다 썼습니다.",
    "too_many_turns": "접근 토큰의 동시 요청 한도에 도달했습니다.",
    "queue_full": "대기열이 가득 찼습니다.",
    "provider_rate_limited": "제공자의 사용 한도에 도달했습니다.",
    "worker_error": "워커에 오류가 있었습니다.",
    "worker_start_failed": "워커를 시작하지 못했습니다.",
    "worker_died": "요청을 처리하던 워커가 예기치 않게 끝났습니다.",
    "worker_hung": "워커가 응답하지 않아 중지했습니다.",
    "worker_garbled": "워커의 답을 이해할 수 없습니다.",
    "worker_limit_exceeded": "워커가 허용된 자원보다 많이 썼습니다.",
    "provider_error": "제공자에 오류가 있었습니다.",
    "provider_failed": "제공자가 요청을 처리하지 못했습니다.",
    "provider_overloaded": "제공자에 부하가 너무 많습니다.",
    "not_honoured": "모델이 요청한 대로 답하지 않았습니다.",
    "tool_choice_not_honoured": "모델이 요청한 도구를 호출하지 않았습니다.",
    "response_format_not_honoured": "모델이 요청한 형식으로 답하지 않았습니다.",
    "provider_stream_cut": "제공자의 답이 중간에 끊겼습니다.",
    "unavailable": "지금은 쓸 수 없습니다.",
    "provider_unavailable": "제공자를 지금 쓸 수 없습니다.",
    "provider_draining": "관리자가 이 제공자의 새 요청을 막았습니다.",
    "login_required": "제공자에 로그인해야 합니다.",
    "queue_timeout": "워커를 너무 오래 기다렸습니다.",
    "memory_short": "워커를 시작할 메모리가 부족합니다.",
    "draining": "허브가 종료되는 중입니다.",
    "state_unavailable": "상태 저장소에 연결할 수 없습니다.",
    "mount_unavailable": "이 부분을 열 수 없었습니다.",
    "turn_timeout": "요청이 제한 시간을 넘겼습니다.",
    "turn_cancelled": "호출자가 떠나 요청이 취소되었습니다.",
    "turn_lost": "요청을 실행하던 허브가 끝났습니다.",
    "config_error": "설정이 올바르지 않습니다.",
    "internal_error": "허브 내부 오류입니다. 로그를 확인하세요.",
}
"""What went wrong, by the REST API's code."""


@lru_cache(maxsize=1024)
def translated(english: str) -> str:
    """What the hub said, in Korean; the same English if a part of it is not known."""
    said, place = [], 0
    while place < len(english):
        for pattern, korean, open_ended in _PATTERNS:
            if found := pattern.match(english, place):
                parts = list(found.groups())
                if open_ended:
                    parts[-1] = translated(parts[-1])
                said.append(korean.format(*parts))
                place = found.end()
                break
        else:
            return english
    return " ".join(said)


def error(code: str, english: str) -> str:
    """An error in Korean: the hub's own words if they are known, else what its code stands for.

    In the latter case the English, which tells of the case, follows.
    """
    words = translated(english)
    if words != english or code not in ERRORS:
        return words
    return f"{ERRORS[code]} ({english})" if english else ERRORS[code]


def both(name: str, english: Any) -> dict[str, Any]:
    """A field of a row with what the hub says, and the same in Korean as `NAME_ko`."""
    return {name: english, f"{name}_ko": translated(english or "")}


def _pattern(template: str) -> re.Pattern[str]:
    hole = re.escape("{}")
    literal = re.escape(template)
    if template.endswith("{}"):
        return re.compile(literal.removesuffix(hole).replace(hole, HOLE) + r"(.+)\Z", re.DOTALL)
    end = "" if template.endswith(":") else r"(?=\s|\Z)"
    return re.compile(literal.replace(hole, HOLE) + end + r"\s*")


# The longer first, so that a sentence is not taken for a shorter one that it begins with.
_PATTERNS = [
    (_pattern(template), korean, template.endswith("{}"))
    for template, korean in sorted(SENTENCES.items(), key=lambda pair: -len(pair[0]))
]
