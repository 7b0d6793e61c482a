"""Keeping the tokens of clients' links out of every log, whoever writes it.

A web server logs the paths that it is asked for, by loggers and handlers of its own and at levels
of its own. So the token is taken out where a log record is made, before any of them sees it.
"""

import copy
import logging
import logging.config
import re
from collections.abc import Callable, Mapping
from typing import Any

# The page's address with whatever stands for the token, and a token wherever else it stands: two
# times 32 bytes in base64 (see `playbooks.signed_links`).
_IN_ADDRESS = re.compile(r"(/approve/|%2Fapprove%2F)[^/\s\"'?&%]+", re.IGNORECASE)
_TOKEN = re.compile(r"[\w-]{43}\.[\w-]{43}", re.ASCII)


def configure_logging(config: dict[str, Any]) -> None:
    """Set logging up for the process: as `config` says, and without tokens. Django calls it."""
    before = logging.getLogRecordFactory()
    if not isinstance(before, _HidingTokens):
        logging.setLogRecordFactory(_HidingTokens(before))
    logging.config.dictConfig(config)


def without_tokens(text: str) -> str:
    """Return the text with each token of a client's link replaced."""
    return _TOKEN.sub("…", _IN_ADDRESS.sub(r"\1…", text))


class _HidingTokens:
    """Makes log records as another factory does, and takes the tokens out of them."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **more: Any) -> logging.LogRecord:
        record = self._make(*args, **more)
        record.msg = _clean(record.msg)
        # Formatters of servers read the arguments one by one: they keep their number and names.
        if isinstance(record.args, Mapping):
            record.args = _clean_mapping(record.args)
        elif record.args:
            record.args = tuple(_clean(value) for value in record.args)
        if record.exc_info and record.exc_info[0] is not None:
            told = logging.Formatter().formatException(record.exc_info)
            if without_tokens(told) != told:
                record.exc_text, record.exc_info = without_tokens(told), None
        return record


def _clean(value: Any) -> Any:
    """Return the value itself where it shows no token, or its text without them."""
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    shown = without_tokens(text)
    return value if shown == text else shown


def _clean_mapping(told: Mapping[str, Any]) -> Mapping[str, Any]:
    changed = {name: shown for name, value in told.items() if (shown := _clean(value)) is not value}
    if not changed:
        return told
    # Servers bring mappings of their own, which answer for names that are not in them.
    cleaned: Any = copy.copy(told)
    cleaned.update(changed)
    return cleaned
