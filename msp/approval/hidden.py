"""Keeping the tokens of clients' links out of the log."""

import logging
import re

_TOKEN = re.compile(r"/approve/[^/\s\"'?]+")


class HideTokens(logging.Filter):
    """Lets every record through, with the tokens in its message taken out."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the token in addresses of the approval page."""
        message = record.getMessage()
        if "/approve/" in message:
            record.msg, record.args = _TOKEN.sub("/approve/…", message), ()
        return True
