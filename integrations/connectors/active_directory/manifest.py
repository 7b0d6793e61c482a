"""What the Active Directory connector brings and what it can do, with the least right for each."""

from integrations.connectors.active_directory import feeds, normalise
from integrations.connectors.active_directory.actions import ACTIONS
from integrations.connectors.active_directory.client import canary, connect, servers
from integrations.connectors.active_directory.gatherers import GATHERERS
from integrations.connectors.active_directory.permissions import READ, READ_DELETED
from integrations.connectors.active_directory.setting_up import PERMISSIONS, SET_UP
from integrations.connectors.active_directory.standing import standing
from integrations.contract import Feed, Manifest, Organisation
from integrations.envelopes import Exploder

_SCHEMA = "https://learn.microsoft.com/windows/win32/adschema"

FEEDS: tuple[Feed, ...] = (
    Feed(
        name="users", title="Accounts, who of them is privileged, and the password policy",
        permissions=(READ, READ_DELETED), normalise=normalise.user,
        fetch=feeds.changes(feeds.IS_USER, feeds.USER), lists=("account", "policy"),
        documentation=f"{_SCHEMA}/c-user",
    ),
    Feed(
        name="groups", title="Groups and their members",
        permissions=(READ, READ_DELETED), normalise=normalise.group,
        fetch=feeds.changes(feeds.IS_GROUP, feeds.GROUP), lists=("group",),
        documentation=f"{_SCHEMA}/c-group",
    ),
    Feed(
        name="computers", title="Computers of the domain",
        permissions=(READ, READ_DELETED), normalise=normalise.computer,
        fetch=feeds.changes(feeds.IS_COMPUTER, feeds.COMPUTER), lists=("device",),
        interval_seconds=900,
        documentation=f"{_SCHEMA}/c-computer",
    ),
)  # fmt: skip

MANIFEST = Manifest(
    id="active_directory",
    vendor="Microsoft",
    title="Active Directory",
    documentation="https://learn.microsoft.com/windows-server/identity/ad-ds/get-started/"
    "virtual-dc/active-directory-domain-services-overview",
    settings={
        "server": "Name of a domain controller, as its certificate has it; with :port only where "
        "it isn't 636. Several of one domain with spaces between: the next is asked where one "
        "can't be reached.",
        "username": "User principal name of the service account, such as holdfast@ad.example.com.",
        "certificate_authority": "Optional: certificate (PEM) of the authority that issued the "
        "domain controller's; without it the public ones are trusted.",
        "quarantine_ou": "Optional: distinguished name or objectGUID of the organisational unit "
        "for quarantined accounts. Keep it within the scope of Entra Connect, which deletes the "
        "cloud account of whoever leaves that scope.",
        "page_size": "Optional: how many objects are asked for at once, default 500.",
    },
    secrets={"password": "Password of the service account."},
    permissions=PERMISSIONS,
    rate_limits=(),
    set_up=SET_UP,
    feeds=FEEDS,
    actions=ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
    standing=standing,
    organisation=Organisation(
        part="server", split=servers, port=636, told=lambda client: client.domain.sid, is_a_way=True
    ),
    explode=Exploder(lists=()),
)
