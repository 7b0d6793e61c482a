"""An alert of which two feeds tell: what the API says last stands, whoever repeats what."""

import itertools
from typing import Any

import pytest

from tenants import intake
from tenants.models import Finding
from tenants.records import SourceRecord
from tests.integrations.crowdstrike.test_normalise import ALERT, DETECTION, MANIFEST

AT = 1795000000000
STREAMED = {**DETECTION, "event": {**DETECTION["event"], "UTCTimestamp": AT}}
FIRST = {**ALERT, "created_timestamp": "2026-11-18T11:06:41Z", "status": "new",
         "updated_timestamp": "2026-11-18T11:06:41Z"}  # fmt: skip
LATER = {**FIRST, "status": "closed", "updated_timestamp": "2026-11-18T12:00:00Z"}


def take(feed: str, body: dict[str, Any]) -> intake.Outcome:
    return intake.take(
        connector="crowdstrike",
        feed=feed,
        records=[SourceRecord(body)],
        normalise=MANIFEST.feed(feed).normalise,
    )


@pytest.mark.parametrize(
    "order",
    list(itertools.permutations([("alerts", FIRST), ("event_stream", STREAMED),
                                 ("alerts", LATER)])),
)  # fmt: skip
def test_the_newest_stands_and_repeats_change_nothing(in_tenant, order) -> None:
    for feed, body in order:
        take(feed, body)
    before = Finding.objects.values().get()
    assert (before["vendor_status"], before["uid"]) == ("closed", ALERT["composite_id"])
    # Each poll reads the newest alert again (its overlap), and the stream's last event.
    for feed, body in [("alerts", LATER), ("event_stream", STREAMED), ("alerts", LATER)]:
        assert take(feed, body).duplicates == 1
        assert Finding.objects.values().get() | {"hash_by_feed": {}} == before | {
            "hash_by_feed": {}
        }
