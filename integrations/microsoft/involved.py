"""Whom and what an alert of Microsoft's names: entities, actor and target.

The names of fields are those of Graph's evidence, of the advanced hunting tables, and of Defender
for Endpoint's evidence. Sources: https://learn.microsoft.com/graph/api/resources/security-alertevidence,
https://learn.microsoft.com/defender-endpoint/api/alerts.
"""

from dataclasses import dataclass, field

from integrations import traces
from integrations.values import Fields, address, device_entity, entity

# Accounts of the operating system itself; no case is ever about them.
_SYSTEM_SIDS = frozenset({"s-1-5-18", "s-1-5-19", "s-1-5-20", "s-1-0-0"})


@dataclass(slots=True)
class Involved:
    """Who and what an alert names, in the order of its evidence."""

    accounts: list[str] = field(default_factory=list)
    system_accounts: list[str] = field(default_factory=list)
    mailboxes: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    apps: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)

    @property
    def actor(self) -> str:
        """The account that acted or was used; else the application; else a system account."""
        return next(iter([*self.accounts, *self.apps, *self.system_accounts]), "")

    @property
    def target(self) -> str:
        """What was hit: a mailbox, else a device, else the account itself, else a file."""
        found = [*self.mailboxes, *self.devices, *self.accounts, *self.apps, *self.files]
        return next(iter(found), "")

    def add(self, *found: str) -> None:
        """Note entities, each once."""
        self.entities.extend(item for item in found if item and item not in self.entities)

    def account(self, of: Fields) -> None:
        """Note a userAccount, or the flat account columns of an export."""
        sid = of.word("userSid", "AccountSid", "onPremisesSecurityIdentifier")
        upn = of.text("userPrincipalName", "AccountUpn", "upn")
        object_id = of.text("azureAdUserId", "AccountObjectId", "aadUserId", "AadUserId")
        name = of.text("accountName", "AccountName", "logonName")
        domain = of.text("domainName", "AccountDomain", "ntDomain", "NTDomain")
        shown = upn or (f"{domain}\\{name}" if domain and name else name) or object_id
        if not shown:
            return
        if sid in _SYSTEM_SIDS and not upn:
            _once(self.system_accounts, shown)
            return
        _once(self.accounts, shown)
        self.add(entity("account", upn or shown), entity("account_id", object_id))

    def ip(self, value: str) -> None:
        """Note an IP address."""
        found = address(value)
        if found:
            _once(self.addresses, found)
            self.add(entity("ip", found))

    def device(self, of: Fields) -> None:
        """Note a device by its name and ids."""
        name = of.text("deviceDnsName", "hostName", "DeviceName", "fqdn", "netBiosName")
        if name:
            _once(self.devices, name)
        self.add(
            entity("device", name),
            device_entity("entra", of.text("azureAdDeviceId")),
            device_entity("defender_endpoint", of.text("mdeDeviceId", "DeviceId")),
        )
        for user in of.objects("loggedOnUsers"):
            self.account(user)

    def process(self, of: Fields, device_id: str = "") -> None:
        """Note a program and what started it, on a device by its id in Defender."""
        place = of.text("mdeDeviceId") or device_id
        for number, time in (("processId", "processCreation"),
                             ("parentProcessId", "parentProcessCreation")):  # fmt: skip
            began = of.time(f"{time}DateTime", f"{time}Time")
            program = traces.started(of.text(number), began)
            self.add(traces.process_tree("defender_endpoint", place, program))

    def bad(self, *values: str) -> None:
        """Note what the alert itself calls bad."""
        self.add(*map(traces.indicator, values))

    def file(self, of: Fields) -> None:
        """Note a file by all its hashes."""
        hashes = (of.text("sha256", "SHA256"), of.text("sha1", "SHA1"), of.text("md5", "MD5"))
        _once(self.files, of.text("fileName", "FileName") or hashes[0])
        self.add(*traces.files(*hashes))

    def app(self, of: Fields) -> None:
        """Note an application."""
        name = of.text("displayName", "Application", "name")
        app_id = of.text("appId", "ApplicationId", "oauthAppId", "OAuthApplicationId")
        _once(self.apps, name or app_id)
        self.add(entity("app", app_id or name))

    def message(self, of: Fields) -> None:
        """Note a mail message: its ids, its recipient's mailbox, where it came from."""
        recipient = of.text("recipientEmailAddress")
        if recipient:
            _once(self.mailboxes, recipient)
        self.add(
            entity("message", of.text("internetMessageId", "InternetMessageId")),
            entity("message", of.text("networkMessageId", "NetworkMessageId")),
            entity("mailbox", recipient),
            *(
                entity("sender", of.nested(name).text("emailAddress"))
                for name in ("p1Sender", "p2Sender")
            ),
        )
        self.ip(of.text("senderIp"))

    def mailbox(self, of: Fields) -> None:
        """Note a mailbox."""
        mail = of.text("primaryAddress", "mailboxPrimaryAddress", "upn")
        if mail:
            _once(self.mailboxes, mail)
        self.add(entity("mailbox", mail))


def _once(found: list[str], value: str) -> None:
    if value and value not in found:
        found.append(value)
