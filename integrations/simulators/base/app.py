"""HTTP: an ASGI application around a simulator, and how an answer goes wrong on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from . import control
from .faults import Fault
from .http import Answer, Exchange
from .simulator import Simulator

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class App:
    """The ASGI application of a simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(self.simulator, receive, send)
            return
        exchange = Exchange(
            method=scope["method"],
            path=scope["path"],
            options=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
            headers={k.decode().lower(): v.decode("latin-1") for k, v in scope["headers"]},
            raw=await _body(receive),
        )
        if exchange.path.startswith(control.PREFIX):
            await _send(send, control.handle(self.simulator, exchange), {})
            return
        answer = self.simulator.handle(exchange)
        faults = exchange.faults
        if "slow" in faults:
            await asyncio.sleep(faults["slow"].seconds)
        if faults.keys() & {"drop_after_effect", "drop_before_effect"}:
            await _drop(send)
            return
        await _send(send, answer, faults)


async def _body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def _send(send: Send, answer: Answer, faults: dict[str, Fault]) -> None:
    body = b""
    headers = {"Content-Type": "application/json", **answer.headers}
    if answer.body is None:
        headers.pop("Content-Type")
    elif isinstance(answer.body, str):
        body = answer.body.encode()
    else:
        body = json.dumps(answer.body).encode()
    if "broken_json" in faults:
        body = body[: len(body) // 2]
    if answer.status != 204:
        headers["Content-Length"] = str(len(body))
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if "slow_body" in faults and body:
        pieces = 10
        size = max(1, len(body) // pieces)
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(faults["slow_body"].seconds / pieces)
        body = b""
    await send({"type": "http.response.body", "body": body})


async def _drop(send: Send) -> None:
    """Cut the connection without an answer, as a network that fails at the worst moment."""
    cycle = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise ConnectionError("the server gives no access to its connection; run it by uvicorn")
    transport.abort()
    # uvicorn would answer 500 unless it has noticed by itself that the connection is gone.
    while not getattr(cycle, "disconnected", True):
        await asyncio.sleep(0)


async def _lifespan(simulator: Simulator, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            simulator.store.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
