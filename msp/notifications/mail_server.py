"""Where mail goes out: one URL becomes Django's settings."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server; `host` is empty where none is set, and then nothing is sent."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    use_tls: bool = False
    use_ssl: bool = False


def mail_server(url: str) -> MailServer:
    """Read ``smtp[s|+tls]://user:password@host:port``; ValueError where it is none of these.

    ``smtp+tls`` begins in the clear and goes on encrypted (STARTTLS), ``smtps`` is encrypted from
    the start. The password never stands in the message of the error.
    """
    if not url:
        return MailServer()
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(
            "HOLDFAST_SMTP_URL is read as smtp://, smtp+tls:// or smtps://, then user:password@ "
            "if the server wants them, then host:port."
        )
    return MailServer(
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        use_tls=parts.scheme == "smtp+tls",
        use_ssl=parts.scheme == "smtps",
    )
