"""A client's chat channel: where questions to its contacts may be posted."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods

from msp.console import actions
from msp.console.sites import page
from msp.notifications import chat
from msp.notifications.errors import MessageNotSent
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from playbooks.models import ChatChannel
from playbooks.questions import chat_channels
from tenants.errors import HoldfastError
from tenants.models import Installation, Tenant


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def channel(request: HttpRequest, slug: str) -> HttpResponse:
    """Set a client's chat channel, once a message has got there, or remove it."""
    technician = technician_of(request)
    found = get_object_or_404(tenants_of(technician), slug=slug)
    if request.method != "POST":
        return _form(request, found)
    actor = actions.actor_of(technician)
    try:
        if "remove" in request.POST:
            with writing(technician, found.id):
                chat_channels.remove(actor=actor)
            messages.success(request, "Nothing is posted there any more.")
        else:
            kind, name, url = (request.POST.get(key, "")[:4000] for key in ("kind", "name", "url"))
            url = chat_channels.check(kind, name, url)
            _try(kind, url, found)
            with writing(technician, found.id):
                chat_channels.put(kind, name, url, actor=actor)
            messages.success(request, "A message got there, and the channel is kept.")
    except HoldfastError as error:
        return _form(request, found, str(error))
    return redirect("console:chat_channel", found.slug)


def _try(kind: str, url: str, tenant: Tenant) -> None:
    """Post a first message; MessageNotSent where it does not get there."""
    installation = Installation.objects.first() or Installation()
    text = (
        f"{installation.msp_name} may ask questions here about the security of {tenant.name}. "
        "Only the contacts of the company should read this channel."
    )
    if refused := chat.send(url, kind, text):
        raise MessageNotSent(refused)


def _form(request: HttpRequest, tenant: Tenant, error: str = "") -> HttpResponse:
    with writing(technician_of(request), tenant.id):
        kept = chat_channels.of_client()
    told = request.POST
    # The address is a secret: it is entered anew with every change.
    return page(
        request, "chat_channel.html", f"Chat channel of {tenant.name}", tenant=tenant, kept=kept,
        error=error, kinds=ChatChannel.Kind.choices,
        kind=told.get("kind") or (kept.kind if kept else ""),
        name=told.get("name", "")[:100] or (kept.name if kept else ""),
    )  # fmt: skip
