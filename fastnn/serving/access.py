"""Who may ask: the Host header on loopback, and the token.

A web page that a browser shows may send requests to a server on the same machine. With DNS
rebinding its own name stands for 127.0.0.1, so that it can read the replies. Its requests then have
its name in the Host header, which is refused.
"""

import hmac
import ipaddress

from ..core.messages import join, printable
from .replies import error_reply
from .request_error import RequestError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OPEN_PATHS = ("/health",)  # without a token


class Access:
    """The rules of a server: which requests it answers.

    Parameters
    ----------
    hosts : collection of str, or None
        The names that the Host header may have, by default those of this machine. None allows all.
    token : str, optional
        What requests must have in the header ``Authorization: Bearer TOKEN``, but for /health.
    """

    def __init__(self, hosts=LOOPBACK, token=None):
        self.hosts: set | None = None if hosts is None else {host.lower() for host in hosts}
        self._expected = None if token is None else f"Bearer {token}".encode()

    @property
    def has_token(self):
        return self._expected is not None

    def check(self, scope):
        """Raise RequestError if the request of an ASGI scope is not allowed."""
        if self.hosts is None and self._expected is None:
            return
        headers = dict(scope["headers"])
        if self.hosts is not None:
            _check_host(headers.get(b"host", b""), self.hosts)
        if self._expected is not None and scope["path"] not in OPEN_PATHS:
            self._check_token(headers.get(b"authorization", b""))

    def _check_token(self, value):
        if not hmac.compare_digest(value, self._expected):
            raise RequestError(
                401,
                "The token is missing or wrong. Send the header 'Authorization: Bearer TOKEN'.",
                headers={"WWW-Authenticate": "Bearer"},
            )


def _check_host(value, hosts):
    text = value.decode("latin-1")
    if host_name(text) not in hosts:
        raise RequestError(
            400,
            f"The Host header {printable(text, 100)!r} is not allowed: this server answers only to "
            f"{join(sorted(hosts), quoted=False)}. Use one of them, or start it with --host.",
        )


class Guard:
    """ASGI middleware that lets only allowed requests through."""

    def __init__(self, app, access):
        self.app, self.access = app, access

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            try:
                self.access.check(scope)
            except RequestError as error:
                await error_reply(error)(scope, receive, send)
                return
        await self.app(scope, receive, send)


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
