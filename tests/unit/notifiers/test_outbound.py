"""Which notifiers there are follows from the settings."""

from __future__ import annotations

import pytest
from support.notify import Clock
from support.receivers import SECRET

from stream_app.notifiers.outbound import notifiers_of
from stream_app.settings import Settings


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"slack_token": "xoxb-1"}, "slack"),
        ({"webhooks": [{"name": "crm", "url": "https://h.example", "secret": SECRET}]}, "webhook"),
        ({"smtp_url": "smtp://mail.example", "smtp_from": "alerts@example.com"}, "email"),
        ({"alertmanager_url": "http://am:9093"}, "alertmanager"),
    ],
)
def test_each_kind_of_target_has_its_notifier_where_it_is_set(given, kind):
    assert set(notifiers_of(Settings(**given), Clock())) == {"console", kind}


def test_a_sender_without_a_server_sends_nothing():
    assert set(notifiers_of(Settings(smtp_from="alerts@example.com"), Clock())) == {"console"}
