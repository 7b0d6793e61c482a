"""What an alert is about: its evidence as entities, actor and target.

Sources: https://learn.microsoft.com/graph/api/resources/security-alertevidence,
https://learn.microsoft.com/graph/api/resources/security-processevidence.
"""

from collections.abc import Iterable

from integrations.microsoft.involved import Involved
from integrations.values import Fields, entity

# https://learn.microsoft.com/graph/api/resources/security-alertevidence#evidencerole-values
_ATTACKERS = frozenset({"attacker", "commandandcontrol"})


def read(evidence: Iterable[Fields], into: Involved | None = None) -> Involved:
    """Return what the evidence of an alert names; kinds that aren't known are looked into too."""
    involved = into or Involved()
    for item in evidence:
        _read_one(item, involved)
    return involved


def _read_one(item: Fields, involved: Involved) -> None:
    kind = kind_of(item)
    if "device" in kind or (item.has_any("deviceDnsName", "mdeDeviceId") and not kind):
        involved.device(item)
    if "message" in kind or item.has_any("networkMessageId", "internetMessageId"):
        involved.message(item)
    if "mailbox" in kind or item.has_any("mailboxPrimaryAddress"):
        involved.mailbox(item)
    if "application" in kind:
        involved.app(item)
    for name in ("userAccount", "account", "impersonatedUser"):
        involved.account(item.nested(name))
    if "user" in kind and not item.nested("userAccount").body:
        involved.account(item)
    for name in ("ipAddress", "senderIp", "sourceAddress", "destinationAddress"):
        involved.ip(item.text(name) or item.nested(name).text("ipAddress"))
    for name in ("fileDetails", "imageFile", "file"):
        if item.nested(name).body:
            involved.file(item.nested(name))
    if item.has_any("url"):
        involved.add(entity("url", item.text("url")))
    if item.has_any("processId"):
        involved.process(item)
    for of in (item, item.nested("sourceAddress"), item.nested("destinationAddress")):
        _note_what_is_bad(of, involved)


def _note_what_is_bad(item: Fields, involved: Involved) -> None:
    """An address by a clear verdict or its role; a link also where it is suspicious."""
    verdict = item.word("verdict")
    roles = {role.lower() for role in item.texts("roles")}
    is_bad = verdict == "malicious" or bool(roles & _ATTACKERS)
    if is_bad:
        involved.bad(item.text("ipAddress"))
    if is_bad or verdict == "suspicious":
        involved.bad(item.text("url"), item.text("domainName") if "dns" in kind_of(item) else "")


def kind_of(item: Fields) -> str:
    """The kind of an evidence or object, in lower case, such as ``userevidence``."""
    return item.word("@odata.type", "at_sign_odata_type", "odata_type").split(".")[-1]
