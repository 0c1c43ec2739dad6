"""Balsam's server, corrected: nobody can register as another user, and an answer with code 204 has no content.

The versions of FastAPI and Starlette that it needs send a content, which HTTP forbids. Without this correction, each
deletion would log an error and close the connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from balsam.server.main import app as balsam_app

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

NO_CONTENT = 204

balsam_app.router.routes[:] = [each for each in balsam_app.routes if not each.path.endswith("/register")]


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
    """Answer a request."""
    is_empty = False

    async def send_none_where_there_is_none(message: Message) -> None:
        nonlocal is_empty
        if message["type"] == "http.response.start" and message["status"] == NO_CONTENT:
            is_empty = True
            headers = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and is_empty:
            message = {**message, "body": b""}
        await send(message)

    await balsam_app(scope, receive, send_none_where_there_is_none)
