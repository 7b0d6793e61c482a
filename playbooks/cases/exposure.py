"""Whether the internet reaches a device, and who says so.

By the first that tells: a technician; a tag that its vendor or the MSP gave it, as Defender does by
itself; Falcon, which says it of a host with each vulnerability; an address of its own that is
public. Where nobody tells, nothing is claimed.
"""

import ipaddress
import re
from collections.abc import Collection
from typing import Final

from integrations import ocsf
from tenants.models import Device, Event

_TAG: Final = re.compile(r"(internet|external|public)[ _-]?(facing|exposed)|dmz", re.IGNORECASE)
_OWN_ADDRESSES: Final = ("local_ip", "last_ip")
# What it tells of an agent's address is what the manager sees of it: often that of a NAT.
_SEEN_FROM_OUTSIDE: Final = frozenset({"wazuh"})
_FALCON: Final = "crowdstrike"


def why(rows: Collection[Device]) -> str:
    """Return why the internet reaches a device, known as these; "" where nothing says that."""
    said = [row for row in rows if row.exposed_by_hand is not None]
    if said:
        marked = next((row for row in said if row.exposed_by_hand), None)
        return f"marked by hand: {marked.exposed_because}" if marked else ""
    for found in (_by_tag(rows), _by_falcon(rows), _by_address(rows)):
        if found:
            return found
    return ""


def _by_tag(rows: Collection[Device]) -> str:
    told = [tag for row in rows for tag in row.attributes.get("tags") or [] if isinstance(tag, str)]
    return next((f"it is tagged “{tag[:60]}”" for tag in told if _TAG.fullmatch(_own(tag))), "")


def _own(tag: str) -> str:
    """Return what a tag says, without where Falcon has it from, as in FalconGroupingTags/dmz."""
    return tag.rpartition("/")[2].strip()


def _by_falcon(rows: Collection[Device]) -> str:
    """Return what Falcon said last of it with a vulnerability; their ids begin with the host's."""
    for host in (row.external_id for row in rows if row.provider == _FALCON):
        told = Event.objects.filter(
            connector=_FALCON, class_uid=ocsf.VULNERABILITY_FINDING,
            uid__gte=f"{host}_", uid__lt=f"{host}_g",
        )  # fmt: skip
        answers = told.filter(entities__contains=[f"device_id:{_FALCON}:{host}".lower()])
        last = answers.order_by("-time").values_list("ocsf__unmapped__internet_exposure", flat=True)
        if str(last.first()).lower() == "yes":
            return "Falcon says that the internet reaches it"
    return ""


def _by_address(rows: Collection[Device]) -> str:
    for row in rows:
        told = [row.attributes.get(name) for name in _OWN_ADDRESSES]
        if row.provider not in _SEEN_FROM_OUTSIDE and (ip := next(filter(_is_public, told), None)):
            return f"its own address {ip} is public"
    return ""


def _is_public(text: object) -> bool:
    """Whether it is a public IPv4 address: of version 6 every address is one, behind a firewall."""
    try:
        return isinstance(text, str) and ipaddress.IPv4Address(text).is_global
    except ValueError:
        return False
