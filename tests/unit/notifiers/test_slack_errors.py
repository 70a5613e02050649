from __future__ import annotations

from types import SimpleNamespace

import pytest

from stream_app.notifiers import Misconfigured, OutcomeUnknown, RateLimited, Rejected, Unavailable
from stream_app.notifiers.slack_errors import OPERATOR, of_response


def answer(status: int, data: object = None, **headers: str):
    return SimpleNamespace(status_code=status, data=data, headers=headers)


@pytest.mark.parametrize(
    ("response", "posting", "reading"),
    [
        (answer(200, {"ok": False, "error": "msg_blocks_too_long"}), Rejected, Unavailable),
        (answer(200, {"ok": False, "error": "a_code_of_next_year"}), Rejected, Unavailable),
        (answer(200, {"ok": False, "error": "fatal_error"}), OutcomeUnknown, Unavailable),
        (answer(200, {"ok": False, "error": "service_unavailable"}), Unavailable, Unavailable),
        (answer(200, {"ok": False, "error": "ratelimited"}), RateLimited, RateLimited),
        (answer(200, {"ok": False, "error": "is_archived"}), Misconfigured, Misconfigured),
        (answer(200, {"ok": False}), OutcomeUnknown, Unavailable),
        (answer(200, b"gzip"), OutcomeUnknown, Unavailable),
        (answer(502, {"ok": False, "error": "is_archived"}), OutcomeUnknown, Unavailable),
        (answer(403, "<html>"), Misconfigured, Misconfigured),
        (answer(429, None, **{"retry-after": "3"}), RateLimited, RateLimited),
        (SimpleNamespace(status=500, headers={}), OutcomeUnknown, Unavailable),
        (SimpleNamespace(), OutcomeUnknown, Unavailable),
    ],
)
def test_what_an_answer_means_for_a_post_and_for_a_search(response, posting, reading):
    assert type(of_response("slack:#x", response, posting=True)) is posting
    assert type(of_response("slack:#x", response, posting=False)) is reading


@pytest.mark.parametrize("code", sorted(OPERATOR))
def test_what_an_operator_can_mend_names_target_code_and_what_to_do(code: str):
    error = of_response("slack:#x", answer(200, {"error": code, "needed": "chat:write"}), posting=True)
    assert isinstance(error, Misconfigured)
    assert str(error).startswith(f"slack:#x: Slack answers {code}")
    assert str(error).endswith(OPERATOR[code])


def test_an_answer_is_not_repeated_beyond_its_code():
    error = of_response("slack:#x", answer(200, {"error": "Bearer xoxb-1 <!channel>"}), posting=True)
    assert str(error) == "slack:#x: Slack answers an unreadable error"
