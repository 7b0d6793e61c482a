"""What the demo's MSP knows of attackers, and the rules that it wrote itself."""

import io
from pathlib import Path

from django.core.management import call_command

from integrations.intelligence import profiles
from msp.demo import clients
from tenants import scope
from tenants.models import Tenant

_HERE = Path(__file__).parent
SOURCE = "Sharing group of the region"
PACK = "Lighthouse IT"


def take_in() -> None:
    """Import indicators and rules by the commands; what is in already stays as it is."""
    _command("intelligence", "import", str(_HERE / "known" / "sharing-group.stix.json"),
             "--source", SOURCE)  # fmt: skip
    _command("detections", "import", str(_HERE / "rules"), "--name", PACK,
             "--licence", "Apache-2.0", "--actor", clients.ACTOR)  # fmt: skip


def _command(*words: str) -> None:
    call_command(*words, stdout=io.StringIO())


def profile(tenants: list[Tenant]) -> None:
    """Say who may attack each client, where nobody has yet."""
    for tenant in tenants:
        with scope.tenant(tenant.id):
            if profiles.current() is None:
                profiles.keep(
                    clients.sector_of(tenant), tenant.country, ["microsoft365"],
                    actor=clients.ACTOR,
                )  # fmt: skip


def count_sightings(tenants: list[Tenant]) -> None:
    """Count where each client met what is known."""
    for tenant in tenants:
        _command("intelligence", "look", tenant.slug)
