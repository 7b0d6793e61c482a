"""Mail to technicians about a connection that needs one of them."""

import uuid

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from integrations.models import Connection, HealthAlarm
from msp.notifications import mail
from msp.notifications.errors import MailNotSent
from msp.staff.models import Role, Technician
from msp.staff.selectors import sees
from tenants import scope

NO_RECIPIENT = "No technician who sees this client has an e-mail address."


def tell(tenant_id: uuid.UUID, connection_id: uuid.UUID) -> None:
    """Send one mail with a connection's alarms that nobody was told of yet.

    MailNotSent where it has to be tried again.
    """
    with scope.tenant(tenant_id):
        untold = HealthAlarm.in_scope().filter(connection_id=connection_id, ended_at=None)
        alarms = list(untold.filter(told_at=None, accepted_by="").order_by("began_at"))
        if not alarms:
            return
        connection = Connection.ever.select_related("tenant").get(id=connection_id)
        recipients = _recipients(tenant_id)
    error, again = _sent(connection, alarms, recipients)
    with scope.tenant(tenant_id):
        rows = HealthAlarm.objects.filter(id__in=[alarm.id for alarm in alarms])
        rows.update(told_at=None if error else timezone.now(), tell_error=error)
    if again is not None:
        raise again


def _sent(
    connection: Connection, alarms: list[HealthAlarm], recipients: list[str]
) -> tuple[str, MailNotSent | None]:
    """Send the mail; return what went wrong, and what to raise for another try."""
    error = mail.obstacle()
    if error:
        return error, None
    if not recipients:
        return NO_RECIPIENT, None
    path = reverse("console:connection_health", args=[connection.id])
    context = {
        "client": connection.tenant.name,
        "connection": connection.name,
        "alarms": alarms,
        "url": f"{settings.PUBLIC_URL}{path}",
    }
    subject = f"{connection.tenant.name}: {connection.name} needs attention"
    try:
        return mail.send(recipients, subject, render_to_string("mail/alarms.txt", context)), None
    except MailNotSent as failed:
        return str(failed), failed


def _recipients(tenant_id: uuid.UUID) -> list[str]:
    """Return the addresses of technicians; where there are none, of those above them."""
    people = Technician.objects.filter(is_active=True).exclude(email="")
    able = [one for one in people if one.has_role(Role.TECHNICIAN) and sees(one, tenant_id)]
    technicians = [one for one in able if one.role == Role.TECHNICIAN]
    return [one.email for one in technicians or able]
