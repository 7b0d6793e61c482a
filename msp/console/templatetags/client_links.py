"""The part of the approval box that asks the client: who was asked, and a link for the next."""

from typing import Any

from django import template

from msp.notifications import mail
from playbooks.ladder import client_links
from playbooks.models import Approval, Tier

register = template.Library()


@register.inclusion_tag("console/_client_links.html", takes_context=True)
def client_links_of(context: template.Context, approval: Approval) -> dict[str, Any]:
    """Return what the box shows for an approval; nothing where the client is not asked."""
    is_client = approval.tier == Tier.CLIENT
    return {
        "approval": approval,
        "is_client": is_client,
        "links": list(approval.links.select_related("contact")) if is_client else [],
        "contacts": client_links.contacts_of(approval) if is_client else [],
        "no_mail": mail.obstacle(),
        "csrf_token": context.get("csrf_token"),
    }
