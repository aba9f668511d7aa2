"""fastnn serve: answer requests for predictions over HTTP."""

import errno
import os
import socket
from dataclasses import dataclass

from ..core.messages import printable
from .console import CommandError, describe_missing, print_line, print_note
from .model_file import load_any
from .options import option, port_option, positional, threads_option, whole_number

PORT = 8000
LEAST_TOKEN = 16  # characters
OTHER_FILES = 100  # besides connections
HELP = """
Answer requests for predictions over HTTP, in JSON, until Ctrl-C.

POST a row, a list of rows, or columns to /predict. The page at / describes the
model and has a form to try it; /openapi.json is the schema for programs. Requests
that wait are predicted together, and each gets the numbers of 'fastnn predict'.

examples:
  fastnn serve model.safetensors
      serve programs on this machine at http://127.0.0.1:8000/
  curl localhost:8000/predict -d '{"area": 60, "district": "south"}'
      predict a row
  curl 'localhost:8000/predict?proba=true' -d @rows.json
      add the probability of each class; interval=0.9 adds an interval
  fastnn serve model.safetensors --host 0.0.0.0 --token-file token.txt
      serve other machines that send the token
"""
USAGE = "fastnn serve MODEL [options]"


def _limit(what, default):
    """Return the field of an option that limits something."""
    text = f"most {what} (default: {default})"
    return option("N", text, default=default, type=whole_number(1))


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn serve`."""

    model: str = positional("MODEL", "model file that fastnn wrote")
    host: str = option(
        None,
        "address to listen on (default: 127.0.0.1, only this machine; 0.0.0.0: all addresses)",
        default="127.0.0.1",
    )
    port: int = port_option(
        f"port to listen on; 0 chooses a free one (default: {PORT})", default=PORT
    )
    token_file: str | None = option(
        "FILE", "file whose first line clients must send as 'Authorization: Bearer ...'"
    )
    max_rows: int = _limit("rows of a request", 10_000)
    max_bytes: int = _limit("bytes of a request", 16_000_000)
    max_connections: int = _limit("connections at a time", 500)
    threads: int = threads_option()


def run(options):
    if missing := describe_missing(("jinja2", "starlette", "uvicorn"), "serve"):
        raise CommandError(f"needs {missing}")
    _check_open_files(options.max_connections)
    model, token = load_any(options.model), _read_token(options.token_file)
    from ..serving import create_app
    from ..web.requests import LOOPBACK, Access, is_loopback
    from ..web.server import Server, address_of, print_at_once, print_errors

    is_local = is_loopback(options.host)
    hosts = {*LOOPBACK, options.host} if is_local else None
    app = create_app(
        model,
        os.path.basename(options.model),
        Access(hosts, token),
        max_rows=options.max_rows,
        max_bytes=options.max_bytes,
        n_threads=options.threads,
    )
    with _listen(options.host, options.port) as listening:
        if not is_local and token is None:
            print_note(
                f"whoever reaches {options.host} can ask this server: there is no authentication "
                "and no encryption. Pass --token-file, and put a server with TLS before it"
            )
        print_line(f"Serving {options.model} at {address_of(listening)} (Ctrl-C to stop)")
        print_errors()
        limit = "--max-connections of 'fastnn serve'"
        if not Server(app, listening, options.max_connections, limit).answer():
            raise KeyboardInterrupt
    print_at_once("Stopped.")
    return 0


def _check_open_files(max_connections):
    """Let the process have a file for each connection, or raise CommandError."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max_connections + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise CommandError(
            f"--max-connections {max_connections} needs {needed:,} open files, but this process may "
            f"have {hard:,}. Pass at most {max(1, hard - OTHER_FILES)}, or raise the limit (ulimit -n)."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _listen(host, port):
    """Return a socket that listens."""
    from ..web.server import listen

    try:
        return listen(host, port)
    except socket.gaierror:
        raise CommandError(
            f"--host {printable(host)} is not a name or an address of this machine. Pass 127.0.0.1, "
            "or 0.0.0.0 for all of its addresses."
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"--port {port} is in use by another program"
            advice = "Pass another one, or --port 0 for a free one."
        elif error.errno == errno.EACCES:
            problem = f"--port {port} needs the rights of an administrator"
            advice = "Pass one from 1024 to 65535."
        else:
            problem = f"--host {printable(host)} cannot be used ({error.strerror})"
            advice = "Pass 127.0.0.1, or an address of this machine."
        raise CommandError(f"{problem}. {advice}") from None


def _read_token(path):
    """Return the token in a file, None without one."""
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            token = file.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise CommandError(f"{path}: {reason}. Pass a text file with --token-file.") from None
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable():
        raise CommandError(
            f"{path}: its first line is not a token of at least {LEAST_TOKEN} ASCII characters. "
            "Write one: python -c 'import secrets; print(secrets.token_urlsafe())' > FILE"
        )
    return token
