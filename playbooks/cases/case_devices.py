"""Which devices a case's alerts name. One device may be known to several connectors.

An id counts only at the connector that gave it. A hostname counts everywhere, without regard to
case, with or without its domain: what several connectors know by one hostname (or serial number,
or Entra device id) is one device to the case. Where one connector knows different devices by the
name, a person finds out which one is meant.
"""

import itertools
import re
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.db.models.functions import Lower

from integrations import registry
from playbooks import availability
from playbooks.cases import case_alerts
from tenants.models import Case, Device

_HOST, _ID = "device:", "device_id:"
_ENTRA = "entra"
# The ids that a machine keeps wherever it is looked at, as connectors tell them.
_SURE, _LIKELY = ("serial_number", "entra_device_id"), ("mac_address", "mac_addresses")
# What makers leave in place of a serial number: too short, all the same, or words.
_NO_SERIAL = re.compile(r"(.)\1*|.{0,3}|.*(filledby|default|serialnumber|invalid|notspecified).*")
_ADDRESS = re.compile(r"[\d.]+|.*:.*")


@dataclass(frozen=True, slots=True)
class CaseDevice:
    """A device that alerts name, as each connector knows it; the first row stands for it.

    `unclear` are the connectors that know several devices by its name. Without any row nobody can
    say which device is meant.
    """

    name: str
    rows: tuple[Device, ...]
    unclear: tuple[str, ...] = ()

    @property
    def doubt(self) -> str:
        """Say what a person has to find out; empty if nothing."""
        if not self.unclear:
            return ""
        titles = [_title(connector) for connector in self.unclear]
        return (
            f"More than one device may be {self.name} at {', '.join(titles)}: find out which one "
            "is meant, and deal with it by hand."
        )

    def __str__(self) -> str:
        return str(self.rows[0]) if self.rows else self.name


def of_case(case: Case) -> list[CaseDevice]:
    """Return the devices that the case's alerts name: those that are clear, servers first."""
    ids, hosts = _named(case)
    if not ids and not hosts:
        return []
    pinned = _by_ids(ids)
    rows = _candidates(pinned, hosts)
    pinned += _own_of(hosts, rows, pinned)
    found: list[CaseDevice] = []
    for pin in pinned:
        if not any(pin in one.rows for one in found):
            found.append(_around(pin, rows, {row.id for row in pinned}))
    for name in sorted(hosts):
        if not any(_same_name(name, row.hostname) for one in found for row in one.rows):
            found += _by_name(name, rows)
    return sorted(found, key=_place)


def about(case: Case) -> CaseDevice | None:
    """Return the device that a case is about; None where none is clear."""
    return next((one for one in of_case(case) if one.rows), None)


def doubts(case: Case) -> list[str]:
    """Return which of the named devices nobody can tell from another, in words."""
    return [one.doubt for one in of_case(case) if not one.rows]


def is_named(device: CaseDevice, entities: Iterable[str]) -> bool:
    """Whether entities name a device, by an id or by its hostname."""
    told = set(entities)
    hosts = [one.removeprefix(_HOST) for one in told if one.startswith(_HOST)]
    return any(
        f"{_ID}{row.provider}:{row.external_id}".lower() in told
        or f"{_ID}{_ENTRA}:{row.attributes.get('entra_device_id', '')}".lower() in told
        or any(_same_name(host, row.hostname) for host in hosts)
        for row in device.rows
    )


def may_be_one(one: Device, other: Device) -> bool:
    """Whether two rows may be one machine: by what it keeps everywhere, or by its name."""
    if _shares(one, other, *_SURE):
        return True
    return _same_name(one.hostname, other.hostname) and not _differ(one, other)


def is_in_reach(row: Device) -> bool:
    """Whether a device's connector can do something with it, as far as it tells."""
    return False not in (row.attributes.get("is_online"), row.attributes.get("can_isolate"))


def _named(case: Case) -> tuple[set[tuple[str, str]], dict[str, set[str]]]:
    """Return the ids, each with its connector, and the hostnames with those that told them."""
    ids: set[tuple[str, str]] = set()
    hosts: dict[str, set[str]] = {}
    told = [("", entity) for entity in case.entities]
    for connector, entity in [*told, *case_alerts.named(case, _ID, _HOST)]:
        if entity.startswith(_ID):
            provider, _, external_id = entity.removeprefix(_ID).partition(":")
            ids.add((provider, external_id))
        elif entity.startswith(_HOST):
            hosts.setdefault(entity.removeprefix(_HOST), set()).add(connector)
    return ids, hosts


def _rows() -> Any:
    return Device.objects.filter(deleted_upstream_at=None).select_related("owner")


def _by_ids(ids: Collection[tuple[str, str]]) -> list[Device]:
    """Return the devices of these ids. Entities are in lower case, a vendor's ids need not be."""
    wanted = Q(pk__in=[])
    for provider, external_id in ids:
        if provider == _ENTRA:
            wanted |= Q(attributes__entra_device_id__iexact=external_id)
        else:
            wanted |= Q(provider=provider, external_id__iexact=external_id)
    return list(_rows().filter(wanted).order_by("provider", "external_id"))


def _candidates(pinned: Iterable[Device], hosts: Iterable[str]) -> list[Device]:
    """Return all rows that may be one of the devices, by name or by what a machine keeps."""
    wanted = Q(pk__in=[])
    for name in {*hosts, *(row.hostname.lower() for row in pinned)} - {""}:
        short = _short(name)
        wanted |= Q(host=name) | Q(host=short) | Q(host__startswith=f"{short}.")
    for row in pinned:
        for key in _SURE:
            if told := row.attributes.get(key):
                wanted |= Q(**{f"attributes__{key}__iexact": told})
    found = _rows().annotate(host=Lower("hostname")).filter(wanted)
    return list(found.order_by("provider", "external_id"))


def _own_of(
    hosts: Mapping[str, set[str]], rows: Iterable[Device], pinned: Collection[Device]
) -> list[Device]:
    """Return the devices that are the only one of a name at the connector that told the name."""
    found = []
    for name, connectors in sorted(hosts.items()):
        if any(_same_name(name, row.hostname) for row in pinned):
            continue
        for connector in sorted(connectors):
            own = [r for r in rows if r.provider == connector and _same_name(name, r.hostname)]
            found += own if len(own) == 1 else []
    return found


def _around(pin: Device, rows: Iterable[Device], pinned: Collection[uuid.UUID]) -> CaseDevice:
    """Return a device that one connector knows for certain, as the others know it."""
    near: dict[str, list[Device]] = defaultdict(list)
    for row in rows:
        if row.provider != pin.provider and may_be_one(pin, row):
            near[row.provider].append(row)
    clear, unclear = [], set()
    for provider, same in near.items():
        for better in ([r for r in same if _shares(pin, r, *_SURE, *_LIKELY)],
                       [r for r in same if r.id in pinned]):  # fmt: skip
            same = better if len(same) > 1 and better else same
        if len(same) == 1:
            clear.append(same[0])
        else:
            unclear.add(provider)
    for one, other in itertools.combinations(clear, 2):
        if _differ(one, other):
            unclear |= {one.provider, other.provider}
    others = [row for row in clear if row.provider not in unclear]
    return CaseDevice(str(pin), (pin, *others), tuple(sorted(unclear)))


def _by_name(name: str, rows: Iterable[Device]) -> list[CaseDevice]:
    """Return the device that has the name everywhere; without rows where that may be several."""
    same = [row for row in rows if _same_name(name, row.hostname)]
    if not same:
        return []
    unclear = {
        row.provider
        for one, other in itertools.combinations(same, 2)
        if one.provider == other.provider or not may_be_one(one, other)
        for row in (one, other)
    }
    if unclear:
        return [CaseDevice(name, (), tuple(sorted(unclear)))]
    connected = availability.connections_of_scope()
    same.sort(key=lambda row: (row.provider not in connected, not is_in_reach(row), row.provider))
    return [CaseDevice(str(same[0]), tuple(same))]


def _same_name(one: str, other: str) -> bool:
    """Whether two hostnames may be one machine's: with and without its domain is the same."""
    a, b = one.lower().rstrip("."), other.lower().rstrip(".")
    if not a or not b or a == b:
        return bool(a) and a == b
    return _short(a) == _short(b) and _short(a) in (a, b)


def _short(name: str) -> str:
    return name if _ADDRESS.fullmatch(name) else name.partition(".")[0]


def _shares(one: Device, other: Device, *keys: str) -> bool:
    return bool(_kept(one, *keys) & _kept(other, *keys))


def _differ(one: Device, other: Device) -> bool:
    """Whether both tell what a machine keeps, and it is not the same."""
    return any((a := _kept(one, key)) and (b := _kept(other, key)) and not a & b for key in _SURE)


def _kept(row: Device, *keys: str) -> set[str]:
    """Return what a machine keeps, without the punctuation that vendors write differently."""
    found = set()
    for key in keys:
        told = row.attributes.get(key)
        for value in told if isinstance(told, list) else [told]:
            bare = re.sub(r"[^0-9a-z]", "", str(value or "").lower())
            if not _NO_SERIAL.fullmatch(bare):
                found.add(f"{key.removesuffix('es')} {bare}")
    return found


def _place(one: CaseDevice) -> tuple[bool, bool, str]:
    is_server = any(row.is_server for row in one.rows)
    return not one.rows, not is_server, one.rows[0].external_id if one.rows else one.name


def _title(connector: str) -> str:
    found = registry.CONNECTORS.get(connector)
    return found.title if found else connector
