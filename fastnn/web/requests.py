"""Requests: what is wrong with them, the limits of their bodies, and which of them are allowed.

A web page that a browser shows may send requests to a server on the same machine. With DNS
rebinding its own name stands for 127.0.0.1, so that it can read the replies. Its requests then have
its name in the Host header, which is refused.
"""

import contextlib
import hmac
import ipaddress
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse

from ..core.errors import Argument, DataError, Words
from ..core.messages import join, one_line, printable

HELD = 4  # times as many bytes as a body may have are held at a time
#: Times as many bytes are read and dropped, so that a client that sends them sees the answer.
IGNORED = 10
LOOPBACK = ("localhost", "127.0.0.1", "::1")
OPEN_PATHS = ("/health",)  # without a token


class RequestError(HTTPException):
    """A request cannot be answered.

    Parameters
    ----------
    status_code : int
        The HTTP status.
    detail : str
        What was wrong, what was expected, and what to do.
    facts : dict, optional
        Further items of the reply: the column and the row.
    headers : dict, optional
        Of the reply.
    """

    def __init__(self, status_code, detail, facts=None, headers=None):
        super().__init__(status_code, detail, headers)
        self.facts = facts or {}


class UnprocessableError(RequestError):
    """A value in a request cannot be used: status 422. **facts : as of RequestError"""

    def __init__(self, detail, **facts):
        super().__init__(422, detail, facts)


class RequestWords(Words):
    """The words of a client: it has sent a request, and has no argument X."""

    def argument(self, argument):
        if argument.name == "X":
            return "the request"
        name = "interval" if argument.name == "coverage" else argument.name
        return super().argument(Argument(name, argument.value))

    def wording(self, wording):
        return wording.python if wording.http is None else wording.http


def refusal(error):
    """Return the UnprocessableError of a value in a request.

    error : DataError, or an error with a text for the user
    """
    if not isinstance(error, DataError):
        return UnprocessableError(one_line(error))
    detail = error.say(RequestWords())
    facts = {"column": error.column, "row": error.row}
    facts = {name: value for name, value in facts.items() if value is not None}
    return UnprocessableError(detail[0].upper() + detail[1:], **facts)


# ---- bodies ----


class Bodies:
    """Reads bodies.

    Parameters
    ----------
    max_bytes : int
        Of one body.
    option : str, optional
        The option of the command that allows more, for messages.

    Attributes
    ----------
    n_held : int
        Bytes of the requests that are being received or answered.
    """

    def __init__(self, max_bytes, option=None):
        self.max_bytes, self.n_held = max_bytes, 0
        self._advice = "" if option is None else f", or raise {option}"

    @contextlib.asynccontextmanager
    async def read(self, request):
        """A context with the body of a starlette Request, which counts as held in it.

        Raises
        ------
        RequestError
            413 if the body is too large, 415 if it is compressed, 503 if too many bytes are held.
        """
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RequestError(415, "The body is compressed. Send JSON as it is.")
        length = request.headers.get("content-length", "0")
        size = int(length) if length.isdecimal() else 0
        if size > self.max_bytes and "expect" in request.headers:
            raise self._too_large()  # before the client sends it
        parts: list = []
        n = held = 0
        error = self._too_large() if size > self.max_bytes else None
        try:
            async for part in request.stream():
                n += len(part)
                error = error or self._refusal(n)
                if error is None:
                    parts.append(part)
                    held += len(part)
                    self.n_held += len(part)
                elif n <= IGNORED * self.max_bytes:
                    parts.clear()
                    self.n_held -= held
                    held = 0
                else:
                    break
            if error is not None:
                raise error
            body = b"".join(parts)
            parts.clear()  # else each body would be in memory twice
            yield body
        finally:
            self.n_held -= held

    def _refusal(self, n):
        """Return the error of a body of which n bytes have come, or None."""
        if n > self.max_bytes:
            return self._too_large()
        if self.n_held >= HELD * self.max_bytes:
            return RequestError(
                503,
                f"The bodies of other requests take {HELD * self.max_bytes:,} bytes already. Try "
                f"again in a second{self._advice}.",
                headers={"Retry-After": "1", "Connection": "close"},
            )
        return None

    def _too_large(self):
        return RequestError(
            413,
            f"The body has more than {self.max_bytes:,} bytes. Send several requests{self._advice}.",
            headers={"Connection": "close"},
        )


# ---- access ----


class Access:
    """The rules of a server: which requests it answers.

    Parameters
    ----------
    hosts : collection of str, or None
        The names that the Host header may have, by default those of this machine. None allows all.
    token : str, optional
        What requests must have in the header ``Authorization: Bearer TOKEN``, but for /health.
    advice : str
        The end of the message about a host that is not allowed.
    """

    def __init__(self, hosts=LOOPBACK, token=None, advice=", or start it with --host"):
        self.hosts: Any = None if hosts is None else {host.lower() for host in hosts}
        self.token, self.advice = token, advice

    def check(self, request):
        """Return the redirect that sets the cookie, or None to go on.

        Raises
        ------
        RequestError
            The request is not allowed.
        """
        if self.hosts is not None:
            self._check_host(request.headers.get("host", ""))
        if self.token is not None:
            return self._check_token(request)

    def _check_host(self, host):
        if self._name_of(host) not in self.hosts:
            raise RequestError(
                400,
                f"The Host header {printable(host, 100)!r} is not allowed: this server answers only "
                f"to {join(sorted(self.hosts), quoted=False)}. Use one of them{self.advice}.",
            )

    def _name_of(self, host):
        """Return the host of a Host header, without the port, in lower case."""
        if host.startswith("["):
            return host[1:].partition("]")[0].lower()
        return (host.rpartition(":")[0] if host.count(":") == 1 else host).lower()

    def _check_token(self, request):
        value = request.headers.get("authorization", "")
        if request.scope["path"] not in OPEN_PATHS and not _is_same(value, f"Bearer {self.token}"):
            raise RequestError(
                401,
                "The token is missing or wrong. Send the header 'Authorization: Bearer TOKEN'.",
                headers={"WWW-Authenticate": "Bearer"},
            )


class PageAccess(Access):
    """The rules of a server for the pages of one browser.

    The first address has the token, which becomes a cookie. Other pages that the browser shows are
    refused by their Origin, and by the cookie, which it does not send for them.

    Parameters
    ----------
    command : str
        What has printed the address.
    port : int
        The port of the server.
    token : str
    """

    def __init__(self, command, port, token):
        super().__init__({f"{host}:{port}" for host in ("127.0.0.1", "localhost")}, token, "")
        self.command, self.cookie = command, f"{command.replace(' ', '-')}-{port}"

    def _name_of(self, host):
        return host.lower()

    def _check_token(self, request):
        own = f"http://{request.headers['host']}"
        if request.headers.get("origin", own) != own:
            raise RequestError(403, "Requests of other pages are refused.")
        token = request.query_params.get("token") if request.scope["path"] == "/" else None
        is_first = token is not None
        if not _is_same(token if is_first else request.cookies.get(self.cookie, ""), self.token):
            raise RequestError(
                403,
                f"The token is {'wrong' if is_first else 'missing'}. Open the address that "
                f"{self.command} printed.",
            )
        if not is_first:
            return None
        reply = RedirectResponse("/", 303)
        reply.set_cookie(self.cookie, self.token, httponly=True, samesite="strict")
        return reply


def _is_same(text, secret):
    return hmac.compare_digest(text.encode(), secret.encode())


class Guard:
    """ASGI middleware that lets only allowed requests through.

    Parameters
    ----------
    access : Access
    answer : callable
        answer(error) returns the reply to a request that is refused.
    headers : dict of str to str
        Of every reply.
    """

    def __init__(self, app, access, answer, headers):
        self.app, self.access, self.answer = app, access, answer
        self.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope, receive, send):
        reply = None
        if scope["type"] == "http":
            try:
                reply = self.access.check(HTTPConnection(scope))
            except RequestError as error:
                reply = self.answer(error)
        await (reply or self.app)(scope, receive, self._with_headers(send))

    def _with_headers(self, send):
        if not self.headers:
            return send

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self.headers]
            await send(message)

        return send_with_headers


def is_loopback(host):
    """Whether only programs on this machine reach a server on a host, a name or an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
