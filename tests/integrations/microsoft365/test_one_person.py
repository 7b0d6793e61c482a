"""A person's accounts in the cloud and on the company's own server, as connectors tell them."""

import base64
import uuid
from typing import Any

from integrations import registry
from tenants import intake
from tenants.models import Account, MatchDoubt, Person
from tenants.records import SourceRecord

GUID = uuid.UUID("8f1b6c4e-9a52-4d7e-9f0b-2f6f1f3c7a11")
ANCHOR = base64.b64encode(GUID.bytes_le).decode()


def told(connector: str, **body: Any) -> None:
    taken = intake.take(
        connector=connector,
        feed="users",
        records=[SourceRecord(body)],
        normalise=registry.connector(connector).feed("users").normaliser({}),
    )
    assert taken.directory == 1, taken.reasons


def on_the_server(**more: Any) -> None:
    told(
        "active_directory", objectGUID=str(GUID), sAMAccountName="ann", objectClass=["user"],
        displayName="Ann", userAccountControl=512, **more,
    )  # fmt: skip


def in_the_cloud(**more: Any) -> None:
    user = {
        "id": str(uuid.uuid4()),
        "userPrincipalName": "a.lee@acme.example",
        "userType": "Member",
    }
    told("microsoft365", **user, **more)


def test_the_immutable_id_makes_them_one_person(in_tenant) -> None:
    in_the_cloud(onPremisesImmutableId=ANCHOR)
    on_the_server()
    assert Account.objects.count() == 2
    assert Person.objects.filter(accounts__isnull=False).distinct().count() == 1


def test_an_alias_in_the_cloud_makes_them_one_person(in_tenant) -> None:
    in_the_cloud(proxyAddresses=["SMTP:a.lee@acme.example", "smtp:ann@acme.example"])
    on_the_server(userPrincipalName="ann@acme.example")
    people = Person.objects.filter(accounts__isnull=False).distinct()
    assert (people.count(), MatchDoubt.objects.count()) == (1, 0)


def test_another_immutable_id_keeps_them_apart(in_tenant) -> None:
    other = base64.b64encode(uuid.uuid4().bytes_le).decode()
    in_the_cloud(onPremisesImmutableId=other, proxyAddresses=["smtp:ann@acme.example"])
    on_the_server(userPrincipalName="ann@acme.example")
    told("active_directory", objectGUID=str(uuid.UUID(bytes_le=base64.b64decode(other))),
         sAMAccountName="bob", objectClass=["user"], userAccountControl=512)  # fmt: skip
    cloud = Account.objects.get(provider="microsoft365")
    twin = Account.objects.get(provider="active_directory", username__endswith="bob")
    assert cloud.person_id == twin.person_id
    assert Account.objects.get(external_id=str(GUID)).person_id != cloud.person_id
