"""No secret, token or password reaches a log, an error, or what an object says of itself."""

import logging
import traceback
from dataclasses import replace

from integrations import registry
from tests.integrations.conformance.driving import intend, read_once
from tests.integrations.conformance.subject import PASSWORD, QUICK

TOPIC = "secrets"
FAULTS = ("server_error", "broken_json", "drop_after_effect", "throttle")


def test_no_secret_is_in_a_log_or_an_error(subject, vendor, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    client = vendor.connect(replace(QUICK, repeats=0))
    subject.manifest.canary(client)
    for kind in FAULTS:
        vendor.fault(kind, path=subject.pages, retry_after=99)
        said.append(_error(lambda: read_once(subject, client)))
        vendor.clear_faults()
    for case in subject.actions:
        target = case.target(vendor)
        intended = intend(vendor, client, case, target)
        vendor.fault("server_error", **case.request, status=500)
        action = registry.action(subject.manifest.id, case.action)
        said.append(_error(lambda a=action, i=intended: a.call(client, i)))
        vendor.clear_faults()
        said.append(repr(intended))
    said += [_refused(subject, vendor, name) for name in vendor.secrets]
    everything = "\n".join([*said, caplog.text, repr(client), repr(vars(client))])
    hidden = {*vendor.secrets.values(), *vendor.credentials(), PASSWORD}
    assert hidden - {PASSWORD}
    for secret in hidden:
        assert secret not in everything
    client.close()


def _error(attempt) -> str:
    try:
        attempt()
    except Exception:
        return traceback.format_exc()
    raise AssertionError("the fault had no effect")


def _refused(subject, vendor, name: str) -> str:
    """What is said of a wrong secret, which is made of the right one."""

    def attempt() -> None:
        wrong = vendor.connect(**{name: vendor.secrets[name] + "x"})
        subject.manifest.canary(wrong)

    return _error(attempt)
