"""Requests to the ASGI application of `fastnn serve`, in the process of a test."""

import asyncio
import json

import pytest

httpx = pytest.importorskip("httpx2", reason="httpx2 is not installed")
pytest.importorskip("starlette", reason="starlette is not installed")
HOST = "http://127.0.0.1:8000"


def ask_all(app, requests):
    """Send requests at the same time. Return [(status, content)].

    requests : list of (method, path, options of `httpx.AsyncClient.request`)
    """

    async def send():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
            sent = [client.request(method, path, **options) for method, path, options in requests]
            return await asyncio.gather(*sent)

    return list(asyncio.run(send()))


def ask(app, path, content=..., method=None, **options):
    """Send one request, and return (status, JSON of the reply). content : what JSON can hold"""
    if content is not ...:
        options["content"] = content if isinstance(content, bytes) else json.dumps(content).encode()
    method = method or ("GET" if content is ... else "POST")
    (reply,) = ask_all(app, [(method, path, options)])
    return reply.status_code, reply.json()


def predict_all(app, requests, query=""):
    """POST the rows of requests at the same time. Return [(status, JSON)]."""
    sent = [("POST", f"/predict{query}", {"content": json.dumps(rows)}) for rows in requests]
    return [(reply.status_code, reply.json()) for reply in ask_all(app, sent)]
