"""Sending one mail through the server of the settings."""

import smtplib

from django.conf import settings
from django.core.mail import EmailMessage

from msp.notifications.errors import MailNotSent

NO_SERVER = "No mail server is set (HOLDFAST_SMTP_URL)."
NO_ADDRESS = "The address of this installation is not set (HOLDFAST_PUBLIC_URL)."


def obstacle() -> str:
    """Return why nothing can be sent from here; empty where it can."""
    if not settings.EMAIL_HOST:
        return NO_SERVER
    return "" if settings.PUBLIC_URL else NO_ADDRESS


def send(recipients: list[str], subject: str, text: str) -> str:
    """Send a plain mail; return why the server refused it for good, empty where it took it.

    MailNotSent where it is worth another try. No error says what stood in the mail.
    """
    # Whatever came from outside must not begin another header.
    subject = " ".join(subject.split())
    try:
        EmailMessage(subject, text, settings.DEFAULT_FROM_EMAIL, recipients).send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        if all(500 <= code < 600 for code in codes):
            return "The mail server refused the recipient's address."
        raise MailNotSent("The mail server put the mail off.") from None
    except smtplib.SMTPResponseException as error:
        if 500 <= error.smtp_code < 600 and not isinstance(error, smtplib.SMTPAuthenticationError):
            return f"The mail server refused the mail (code {error.smtp_code})."
        raise MailNotSent(f"The mail server answered {error.smtp_code}.") from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailNotSent(f"The mail server was not reached ({type(error).__name__}).") from None
    return ""
