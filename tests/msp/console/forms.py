"""Filling in a page's form as a browser would send it back."""

from html.parser import HTMLParser
from typing import Any


class _Forms(HTMLParser):
    """Reads the forms of a page: where each goes, and what its fields hold."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, list[str]]]] = []
        self._select = ""
        self._options: list[tuple[str, bool]] = []
        self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((told.get("action", ""), {}))
        elif (
            tag == "input" and told.get("type") not in ("checkbox", "radio")
        ) or "checked" in told:
            self._put(told.get("name", ""), told.get("value", "on"))
        elif tag == "select":
            self._select, self._options = told.get("name", ""), []
        elif tag == "option" and self._select:
            self._options.append((told.get("value", ""), "selected" in told))
        elif tag == "textarea":
            self._textarea = told.get("name", "")
            self._put(self._textarea, "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self._select:
            chosen = [value for value, is_selected in self._options if is_selected]
            for value in chosen or [value for value, _ in self._options[:1]]:
                self._put(self._select, value)
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.forms[-1][1][self._textarea][-1] += data

    def _put(self, name: str, value: str) -> None:
        if name and self.forms and name != "csrfmiddlewaretoken":
            self.forms[-1][1].setdefault(name, []).append(value)


def form_of(page: str, to: str) -> dict[str, Any]:
    """Return what a browser would send back for the form as it stands that goes to `to`."""
    reader = _Forms()
    reader.feed(page)
    [fields] = [fields for action, fields in reader.forms if action == to]
    return dict(fields)
