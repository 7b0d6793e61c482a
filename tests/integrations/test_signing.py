"""Signatures by Standard Webhooks: its published example, and everything that must not count."""

import datetime as dt

import pytest

from integrations import signing
from integrations.errors import ConnectionMisconfigured, DeliveryRefused

# The example of the specification's own libraries.
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIME, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW = dt.datetime.fromtimestamp(TIME, dt.UTC)


def headers(**changed: str) -> dict[str, str]:
    told = {"id": ID, "timestamp": str(TIME), "signature": SIGNATURE, **changed}
    return {f"webhook-{name}": value for name, value in told.items()}


def test_the_published_example() -> None:
    assert signing.sign(KEY, ID, TIME, BODY) == SIGNATURE
    assert signing.check(KEY, headers(), BODY, NOW) == ID
    assert signing.headers(KEY, ID, TIME, BODY) == headers()


def test_one_of_several_signatures_is_enough() -> None:
    given = f"v1a,abc v1,AAAA {SIGNATURE}"
    assert signing.check(KEY, headers(signature=given), BODY, NOW) == ID


@pytest.mark.parametrize(
    "changed",
    [{"signature": ""}, {"signature": "v1,"}, {"signature": SIGNATURE[:-3] + "A="},
     {"signature": "é"}, {"signature": SIGNATURE.removeprefix("v1,")}, {"id": "msg_other"},
     {"id": ""}, {"id": "a.b"}, {"id": "x" * 257}, {"timestamp": str(TIME + 1)},
     {"timestamp": "soon"}, {"timestamp": "-1"}, {"timestamp": "9" * 400}, {"timestamp": ""}],
    ids=str,
)  # fmt: skip
def test_what_was_changed_does_not_count(changed) -> None:
    with pytest.raises(DeliveryRefused) as caught:
        signing.check(KEY, headers(**changed), BODY, NOW)
    assert caught.value.code == "unsigned"
    assert KEY not in str(caught.value)


def test_another_body_or_another_key_does_not_count() -> None:
    for key, body in ((KEY, BODY + b" "), (signing.new_key(), BODY), (KEY, b"")):
        with pytest.raises(DeliveryRefused, match="signature"):
            signing.check(key, headers(), body, NOW)


@pytest.mark.parametrize(("seconds", "counts"), [(299, True), (301, False), (-299, True),
                                                 (-301, False)])  # fmt: skip
def test_only_what_was_signed_just_now_counts(seconds, counts) -> None:
    moment = NOW + dt.timedelta(seconds=seconds)
    if counts:
        assert signing.check(KEY, headers(), BODY, moment) == ID
        return
    with pytest.raises(DeliveryRefused) as caught:
        signing.check(KEY, headers(), BODY, moment)
    assert caught.value.code == "stale"


def test_keys_are_random_and_others_are_refused() -> None:
    assert signing.new_key() != signing.new_key()
    signing.check_key(signing.new_key())
    for wrong in ("", "password", "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 200, "whsec_ä"):
        with pytest.raises(ConnectionMisconfigured, match="signing key") as caught:
            signing.check_key(wrong)
        assert not wrong or wrong == "whsec_" or wrong not in str(caught.value)
