"""Bodies of requests in memory: the size of each, and of all together, is limited."""

import contextlib

from .errors import RequestError

HELD = 4  # times as many bytes as a body may have are held at a time
#: Times as many bytes are read and dropped, so that a client that sends them sees the answer.
IGNORED = 10


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
