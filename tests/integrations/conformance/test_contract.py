"""Everything that the connector asks, and that the simulator answers, keeps to the contract."""

from integrations import registry
from tests.integrations.conformance.driving import intend, sweep

TOPIC = "contract"


def test_reading_conforms(subject, vendor, client, tmp_path) -> None:
    assert subject.contract is not None, "no contract is given, and none is left out with a reason"
    for name in subject.polled:
        _, cursor = sweep(subject.manifest, client, name)
        sweep(subject.manifest, client, name, cursor)
    siem = subject.manifest.siem
    if siem is not None:
        siem.survey(client, (), 30)
    assert subject.contract(tmp_path / "exchanges.ndjson") > 0


def test_acting_conforms(subject, vendor, client, case, tmp_path) -> None:
    action = registry.action(subject.manifest.id, case.action)
    intended = intend(vendor, client, case, case.target(vendor))
    action.call(client, intended)
    assert action.read_back(client, intended).holds
    assert subject.contract(tmp_path / "exchanges.ndjson") > 0
