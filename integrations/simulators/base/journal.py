"""What was asked and answered: the request log, and the recorded exchanges.

The log says who did what and which effects it had, and never holds a token or a secret: tests use
it to prove that each effect happened exactly once. The recording holds whole bodies, to be checked
against the vendor's contract.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Journal:
    """Appends JSON lines; keeps the log in memory too."""

    def __init__(self, log: Path | None = None, record: Path | None = None) -> None:
        self.lines: list[dict[str, Any]] = []
        self._log = log
        self._record = record
        self._number = 0
        for path in (log, record):
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)

    def log(self, **line: Any) -> None:
        """Add one request to the log."""
        self._number += 1
        entry = {"number": self._number, **line}
        self.lines.append(entry)
        if self._log:
            self._append(self._log, entry)

    def record(
        self,
        method: str,
        url: str,
        request_body: Any,
        status: int,
        headers: dict[str, str],
        body: Any,
    ) -> None:
        """Add one exchange to the recording, if there is one."""
        if self._record:
            self._append(
                self._record,
                {
                    "method": method,
                    "url": url,
                    "request_body": request_body,
                    "status": status,
                    "headers": headers,
                    "body": body,
                },
            )

    def clear(self) -> None:
        """Forget the log in memory; files are kept."""
        self.lines.clear()

    @staticmethod
    def _append(path: Path, entry: dict[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
