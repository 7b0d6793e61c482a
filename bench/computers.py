"""Attacked computers, at a second vendor: their steps go to a simulated CrowdStrike Falcon."""

from __future__ import annotations

import hashlib
from typing import Any

from django.utils import timezone

from bench.installation import Simulator
from integrations import catalog, connections
from integrations.values import device_entity
from playbooks import language, planner, response
from playbooks.adoption.versions import remember
from playbooks.cases.case_numbers import next_number
from playbooks.investigating import facts as case_facts
from playbooks.policy import rules
from tenants import scope
from tenants.models import Case, Device, Tenant

# As many as a client may have isolated in an hour.
_COMPUTERS = catalog.get("endpoint.isolate").hourly_limit
# Its feeds are not read here: what is to be done there is planned at once.
_SCOPES = [
    "Hosts: Read", "Hosts: Write", "IOC Management: Read", "IOC Management: Write",
    "On-demand scans (ODS): Read", "On-demand scans (ODS): Write",
]  # fmt: skip
COMPUTER = "bench-computer"
_PLAYBOOK = """\
id: bench-computer
version: "1"
kind: response
title: Contain a computer
summary: What was done.
trigger: "true"
steps:
  - id: isolate
    uses: endpoint.isolate
    target: device
  - id: block
    uses: indicator.block
    target: {{external_id: "{sha256}", name: bad.exe, provider: crowdstrike}}
    with: {{kind: file}}
  - id: scan
    uses: endpoint.scan
    target: device
    needs: [isolate]
tests:
  - name: one
    expect: {{tier: technician}}
"""


def attack_computers(falcon: Simulator, tenant: Tenant, number: int) -> int:
    """Connect a client to an organisation of its own in Falcon; return how many are attacked.

    What contains them is planned at once. `number` is the client's, from 2.
    """
    organisation = falcon.post("/seed", seed="demo", number=number)[-1]
    falcon.post("/permissions", tenant=organisation["id"], granted=_SCOPES)
    app = organisation["apps"][0]
    with scope.tenant(tenant.id):
        connections.create(
            connector="crowdstrike",
            name="Falcon",
            settings={"client_id": app["client_id"], "endpoint": falcon.address},
            secrets={"client_secret": app["secret"]},
            actor="bench",
        )
    for host in sorted(falcon.records(organisation["id"], "hosts").items())[:_COMPUTERS]:
        with scope.tenant(tenant.id):
            _contain(*host)
    return _COMPUTERS


def _contain(external_id: str, host: dict[str, Any]) -> None:
    """Open a proven case about one computer, and adopt its plan."""
    device, _ = Device.objects.get_or_create(
        provider="crowdstrike", external_id=external_id, defaults={"hostname": host["hostname"]}
    )
    now = timezone.now()
    case = Case.objects.create(
        number=next_number(), title=f"Ransomware on {device.hostname}",
        status=Case.Status.RESPONDING, verdict="true_positive",
        verdict_detail={"playbook": "investigate-ransomware", "confidence": "high"},
        entities=[device_entity("crowdstrike", external_id)], opened_at=now, first_activity_at=now,
        last_activity_at=now,
    )  # fmt: skip
    sha256 = hashlib.sha256(external_id.encode()).hexdigest()
    playbook = language.load(_PLAYBOOK.format(sha256=sha256), COMPUTER)
    facts = case_facts.of_case(case)
    policy = rules.in_force()
    document = planner.plan(playbook, facts, policy)
    response.adopt(case, document, facts, remember(playbook).sha256, policy.version)
    response.set_status(case)
