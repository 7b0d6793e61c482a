"""From a file's JSON to its records: lists, collections, recorded HTTP exchanges, batches.

Pure: no database, no network. What holds no record, such as an error's answer, becomes one record
that the normaliser will quarantine, with the reason, so that nothing disappears silently.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from integrations import json_text
from tenants.records import SourceRecord

_DEPTH = 6
_BESIDE_A_LIST = ("schema", "stats", "statistics", "visualization")
_TOKEN_FIELDS = frozenset({"access_token", "refresh_token", "id_token", "client_secret"})


def no_context(url: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The address without its query, which may hold personal data or tokens."""
    place = url.split("?", 1)[0]
    return {"url": place} if place else {}


@dataclass(frozen=True)
class Exploder:
    """Takes the records out of the envelopes that one vendor puts them in.

    `lists` are the names of the lists in which the vendor's answers hold records, `beside` those
    of the annotations that stand beside such a list. `context` makes a record's context of the
    address that it was read from and the record itself.
    """

    lists: tuple[str, ...]
    context: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] = no_context
    beside: tuple[str, ...] = ()

    def __call__(self, document: Any, url: str = "") -> list[SourceRecord]:
        """Return the records of a parsed JSON document, in its order.

        `document` is a list, one object, an answer with one of `lists`, a batch's answers
        (`responses`) or a recorded exchange (`url`, `status`, `body`). `url` is where it was read
        from, if that is known. A record's context also holds `quarantine` (code and reason)
        where there is no record.
        """
        return list(self._exploded(document, url, _DEPTH))

    def _exploded(self, document: Any, url: str, depth: int) -> Iterator[SourceRecord]:
        if depth == 0:
            yield _refused(
                {"_value": document}, url, "too_deep", "The lists are nested too deeply."
            )
        elif isinstance(document, list):
            for item in document:
                yield from self._exploded(item, url, depth - 1)
        elif not isinstance(document, Mapping):
            yield _refused(
                {"_value": document},
                url,
                "not_an_object",
                f"A record must be a JSON object, this is {_json_type(document)}.",
            )
        elif _is_exchange(document):
            yield from self._exchange(document, depth)
        elif isinstance(document.get("responses"), list) and self._is_envelope(
            document, "responses"
        ):
            for response in json_text.value_of(document, "responses"):
                yield from self._batch_item(response, url, depth)
        elif "_unparsed" in document and len(document) == 1:
            yield from self._unparsed(str(document["_unparsed"]), url, depth)
        else:
            yield from self._collection(document, url, depth)

    def _collection(
        self, document: Mapping[str, Any], url: str, depth: int
    ) -> Iterator[SourceRecord]:
        place = url or str(document.get("@odata.context") or "")
        for name in self.lists:
            inner = json_text.value_of(document, name)
            if isinstance(inner, list | Mapping) and self._is_envelope(document, name):
                yield from self._exploded(inner, place, depth - 1)
                return
        yield SourceRecord(body=document, context=self.context(url, document))

    def _is_envelope(self, document: Mapping[str, Any], name: str) -> bool:
        """Whether nothing but annotations stands beside the list."""
        known = {name, *_BESIDE_A_LIST, *self.beside}
        return all(key in known or str(key).startswith(("@", "adminapi.")) for key in document)

    def _exchange(self, exchange: Mapping[str, Any], depth: int) -> Iterator[SourceRecord]:
        url, status = str(exchange["url"]), int(exchange["status"])
        body = json_text.value_of(exchange, "body")
        kept = _kept(exchange)
        if isinstance(body, str) and body.strip()[:1] in ("{", "["):
            body = _parsed(body)
        if _is_token(url, body):
            yield _refused(
                kept,
                url,
                "token_answer",
                f"HTTP {status} answer of the sign-in service, no record.",
            )
        elif status >= 400:
            yield _refused(kept, url, "error_answer", f"HTTP {status} answer: {_error(body)}")
        elif body is None or body == "":
            yield _refused(kept, url, "no_content", f"HTTP {status} answer without content.")
        elif not isinstance(body, Mapping | list):
            yield _refused(
                kept, url, "not_an_object", f"The answer is {_json_type(body)}, not a record."
            )
        else:
            yield from self._exploded(body, url, depth - 1)

    def _batch_item(self, response: Any, url: str, depth: int) -> Iterator[SourceRecord]:
        if not isinstance(response, Mapping) or "status" not in response:
            yield _refused(
                {"_value": response}, url, "not_an_object", "A batch's answer is unreadable."
            )
            return
        body = response.get("body")
        place = ""
        if isinstance(body, Mapping):
            place = str(body.get("@odata.context") or "")
        status = response.get("status")
        exchange = {"url": place, "status": status if isinstance(status, int) else 0, "body": body}
        yield from self._exchange(exchange, depth)

    def _unparsed(self, text: str, url: str, depth: int) -> Iterator[SourceRecord]:
        """A recorded body that was no JSON: repaired where only one reading is possible."""
        document = _parsed(text)
        if isinstance(document, Mapping | list):
            yield from self._exploded(document, url, depth - 1)
            return
        whole, rest = _whole_items(text)
        for item in whole:
            yield from self._exploded(item, url, depth - 1)
        is_cut = bool(whole) or text.lstrip()[:1] in ("{", "[")
        why = (
            "The recorded answer is not whole JSON (cut off or damaged): record it again."
            if is_cut
            else "The recorded answer is no JSON."
        )
        yield _refused({"_unparsed": rest}, url, "unreadable_json", why)


def _is_exchange(document: Mapping[str, Any]) -> bool:
    status = document.get("status")
    return (
        isinstance(document.get("url"), str)
        and "body" in document
        and (isinstance(status, int) or (isinstance(status, str) and status.isdigit()))
    )


def _kept(exchange: Mapping[str, Any]) -> dict[str, Any]:
    """The exchange as it is kept in quarantine: without request and without tokens."""
    body = exchange["body"]
    if isinstance(body, Mapping):
        body = {k: "[removed]" if k in _TOKEN_FIELDS else v for k, v in body.items()}
    method = exchange.get("method")
    return {
        **({"method": method} if method else {}),
        "url": exchange["url"],
        "status": exchange["status"],
        "body": body,
    }


def _is_token(url: str, body: Any) -> bool:
    path = urlsplit(url).path.lower()
    if "/oauth2/" in path and path.endswith("/token"):
        return True
    return isinstance(body, Mapping) and "access_token" in body


def _error(body: Any) -> str:
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, Mapping):
        code, message = str(error.get("code") or ""), str(error.get("message") or "")
        return ": ".join(part for part in (code[:80], message[:200]) if part) or "no words"
    return str(error)[:80] if error else "no words"


def _parsed(text: str) -> Any:
    """The text's JSON; with trailing commas taken off if need be; None where it isn't JSON."""
    for candidate in (text, _without_trailing_commas(text)):
        try:
            return json_text.parsed(candidate)
        except (ValueError, RecursionError):
            continue
    return None


def _without_trailing_commas(text: str) -> str:
    """A comma before a closing bracket adds nothing: the only repair with one reading."""
    kept: list[str] = []
    comma = -1
    in_text = escaped = False
    for character in text:
        if in_text:
            in_text = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == ",":
            comma = len(kept)
        elif character in "]}" and comma >= 0:
            kept[comma] = ""
            comma = -1
        elif not character.isspace():
            comma = -1
            in_text = character == '"'
        kept.append(character)
    return "".join(kept)


def _whole_items(text: str) -> tuple[list[Any], str]:
    """The items of a cut-off list that are whole, and the rest that can't be read."""
    start = text.find("[")
    if start < 0:
        return [], text
    found: list[Any] = []
    position = start + 1
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if position >= len(text) or text[position] != "{":
            return found, text[position:] if found else text
        try:
            item, position = json_text.DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            return found, text[position:] if found else text
        found.append(item)


def _refused(body: Mapping[str, Any], url: str, code: str, reason: str) -> SourceRecord:
    place = url.split("?", 1)[0]
    context = {"url": place} if place else {}
    return SourceRecord(
        body=body, context={**context, "quarantine": {"code": code, "reason": reason}}
    )


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
    }
    return names.get(type(value), "a value")
