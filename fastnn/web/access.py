"""Access control: the Host header, the token, and the page that sends a request. What a page may load.

A web page that a browser shows may send requests to a server on the same machine. With DNS
rebinding its own name stands for 127.0.0.1, so that it can read the replies. Its requests then have
its name in the Host header, which is refused.
"""

import hmac
import ipaddress
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse

from ..core.messages import join, printable
from .errors import RequestError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OPEN_PATHS = ("/health",)  # without a token
_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'"
_OWN = f"{_CLOSED}; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"
#: What each page may load, and do: nothing of other servers.
POLICIES = {
    "report": f"{_CLOSED}; style-src 'unsafe-inline'",  # no script, whatever a table contains
    "serve": _OWN,
    "play": f"{_OWN}; img-src 'self' data:",
}


def page_headers(page):
    """Return the headers of a page of a server. page : a key of `POLICIES`"""
    return {
        "Content-Security-Policy": POLICIES[page],
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


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
        return host_name(host)

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


def host_name(value):
    """Return the host of a Host header, without the port, in lower case."""
    if value.startswith("["):
        return value[1:].partition("]")[0].lower()
    return value.rpartition(":")[0].lower() if value.count(":") == 1 else value.lower()


def is_loopback(host):
    """Whether only programs on this machine reach a server on a host, a name or an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
