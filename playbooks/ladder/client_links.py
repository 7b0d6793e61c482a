"""Links by which a contact at the client decides on a plan, without an account.

A link is a row; its token is signed, carries the tenant's and the row's id, and is kept nowhere.
It counts once, until the approval ends, and only while it is the newest for its contact and the
contact may approve. Nobody whom the case is about is asked: an intruder reads their mail. Whoever
opens a link changes nothing but that it was opened: mail scanners do that too.
"""

import uuid

from django.db.models import QuerySet
from django.utils import timezone

from playbooks import approvals
from playbooks.cases import involved
from playbooks.cases.involved import Involved
from playbooks.errors import ApprovalError, LinkError
from playbooks.models import Approval, ClientLink, Plan, Tier
from playbooks.signed_links import Address, SignedLinks
from tenants import ledger, work
from tenants.models import Contact

_LINKS = SignedLinks("client-link")
_LONGEST_NAME = 100


def token(link: ClientLink) -> str:
    """Return the link's token. Never log it, and keep it nowhere."""
    return _LINKS.token(link.tenant_id, link.id)


def address(given: str) -> Address:
    """Return where a token leads; LinkError where this installation did not sign it."""
    return _LINKS.address(given)


def contacts_of(approval: Approval) -> list[Contact]:
    """Return whom at the client may be asked, the first to ask first.

    Whoever the case is about is left out: they don't judge it, and an intruder reads their mail.
    """
    people = Contact.in_scope().filter(
        tenant_id=approval.tenant_id, can_approve=True, is_active=True
    )
    about = involved.of_case(approval.plan.case)
    return [one for one in people.order_by("position", "name") if not about.include(one)]


def waiting(approval: Approval) -> list[ClientLink]:
    """Return the links by which somebody may still answer, the oldest first."""
    about = involved.of_case(approval.plan.case)
    links = approval.links.filter(used_at=None, revoked_at=None).select_related("contact")
    return [link for link in links.order_by("created_at") if _still_asked(link, about)]


def create(approval_id: uuid.UUID, contact: Contact, *, actor: str, send: bool) -> ClientLink:
    """Make a link for a contact, in place of an earlier one, and have it sent if `send`.

    ApprovalError where the approval is not the client's, or nobody has to decide it any more.
    """
    approval = approvals.locked(approval_id)
    if approval.tier != Tier.CLIENT:
        raise ApprovalError("Only what the client has to approve can be sent to the client.")
    if approval.decision != Approval.Decision.PENDING or approval.expires_at <= timezone.now():
        raise ApprovalError("Nobody has to decide this any more.")
    if not _may_decide(contact):
        raise ApprovalError(f"{contact.name} may not approve for this client.")
    if involved.of_case(approval.plan.case).include(contact):
        raise ApprovalError(f"The case is about {contact.name}: somebody else has to be asked.")
    if not send and actor == approval.plan.requested_by != "engine":
        raise ApprovalError(
            "You asked for this plan, so its link is not for you to see: have it sent by mail, or "
            "let somebody else give it to the client."
        )
    _revoke(ClientLink.objects.filter(approval=approval, contact=contact), actor)
    link = ClientLink.objects.create(
        tenant_id=approval.tenant_id,
        approval=approval,
        contact=contact,
        recipient=contact.email,
        created_by=actor,
        created_at=timezone.now(),
        expires_at=approval.expires_at,
    )
    record("client_link.created", link, actor)
    Approval.objects.filter(id=approval.id).update(send_error="")
    if send:
        work.schedule("notify", link.id)
    return link


def contact_changed(contact: Contact, *, actor: str) -> None:
    """Let a contact's links count no more where they may not decide now, or read mail elsewhere."""
    links = ClientLink.objects.filter(contact=contact)
    if _may_decide(contact):
        links = links.exclude(recipient=contact.email)
    _revoke(links.filter(approval__decision=Approval.Decision.PENDING), actor)


def _revoke(links: QuerySet[ClientLink], actor: str) -> None:
    for old in links.filter(used_at=None, revoked_at=None).select_related("approval__plan"):
        old.revoked_at = timezone.now()
        old.save(update_fields=["revoked_at"])
        record("client_link.revoked", old, actor)


def check(link: ClientLink) -> None:
    """Raise LinkError where the link counts no more, with the reason."""
    approval = link.approval
    plan_is_old = approval.plan.status == Plan.Status.SUPERSEDED
    if link.used_at is not None:
        raise LinkError("used", "This link was used already.")
    if plan_is_old or approval.decision == Approval.Decision.SUPERSEDED:
        raise LinkError("superseded", "What is planned has changed since this was sent.")
    if approval.decision in (Approval.Decision.APPROVED, Approval.Decision.REJECTED):
        raise LinkError("decided", "Somebody has decided this already.")
    if link.revoked_at is not None and _has_newer(link):
        raise LinkError("revoked", "A newer link was sent to you in place of this one.")
    if link.revoked_at is not None or not _still_asked(link, involved.of_case(approval.plan.case)):
        raise LinkError("withdrawn", "You are not asked for this decision any more.")
    if approval.decision != Approval.Decision.PENDING or link.expires_at <= timezone.now():
        raise LinkError("expired", "The time for this decision is over.")


def _has_newer(link: ClientLink) -> bool:
    """Whether the same person, at the same address, has a link that still counts."""
    return ClientLink.objects.filter(
        approval=link.approval_id,
        contact=link.contact_id,
        recipient=link.recipient,
        revoked_at=None,
    ).exists()


def _still_asked(link: ClientLink, about: Involved) -> bool:
    contact = link.contact
    return (
        contact is not None
        and _may_decide(contact)
        and contact.email == link.recipient
        and not about.include(contact)
    )


def _may_decide(contact: Contact) -> bool:
    return contact.can_approve and contact.is_active


def find(where: Address) -> ClientLink:
    """Return the row that a token leads to, while it counts; LinkError otherwise.

    Runs inside the scope of the token's tenant.
    """
    link = (
        ClientLink.objects.select_related("contact", "approval__plan__case", "approval__plan__run")
        .filter(id=where.row_id)
        .first()
    )
    if link is None:
        raise LinkError("unknown", "This link is not known here.")
    check(link)
    return link


def opened(link: ClientLink) -> None:
    """Note that somebody, or a mail scanner, looked at the page for the first time."""
    changed = ClientLink.objects.filter(id=link.id, opened_at=None).update(opened_at=timezone.now())
    if changed:
        record("client_link.opened", link, "engine")


def use(where: Address, *, approve: bool, name: str, sha256: str, comment: str = "") -> ClientLink:
    """Decide by a link, once, on exactly the plan with this hash, as the contact it was made for.

    LinkError where the link counts no more; ApprovalError where the decision can't be taken, or
    `name` is missing. Runs inside the scope of the token's tenant.
    """
    name = " ".join(name.split())[:_LONGEST_NAME]
    if len(name) < 2:
        raise ApprovalError("Please type your name.")
    link = find(where)
    # Decisions on one plan follow each other: look again once the plan is ours.
    approvals.locked(link.approval_id)
    link = find(where)
    actor = f"client:{link.recipient}"
    said = f"{name}, by the link sent to {link.recipient}"
    approvals.decide(
        link.approval_id,
        approve=approve,
        actor=actor,
        sha256=sha256,
        comment=f"{said}: {comment.strip()}" if comment.strip() else f"{said}.",
    )
    link.used_at = timezone.now()
    link.save(update_fields=["used_at"])
    record("client_link.used", link, actor)
    return link


def record(kind: str, link: ClientLink, actor: str, **body: str) -> None:
    """Write what happened to a link into the ledger; its token is not part of it."""
    plan = link.approval.plan
    ledger.append(
        kind,
        actor=actor,
        case_id=plan.case_id,
        subject=f"link for {link.recipient}",
        body={"link": link.id, "plan": plan.sha256, "expires_at": link.expires_at, **body},
    )
