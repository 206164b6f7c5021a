"""The page's server: this machine only, one secret address, nothing read from a path it is given.

Whoever can open the address can label; so it holds a random token, names in ``Host`` and ``Origin``
must be this machine's own (another site's page in the same browser cannot reach it, by another
name for 127.0.0.1 neither), and every address is looked up in a table.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lucyte.pipeline.label_pictures import Pictures
from lucyte.pipeline.label_session import Session
from lucyte.report.label import LABEL_ASSETS, label_page
from lucyte.schema.errors import InputError, LucyteError, UsageError

HERE = "127.0.0.1"
MOST_BYTES = 4096
"""Of an answer."""
PATIENCE_S = 30
POLL_S = 0.05
"""How long an end may take to be noticed."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Reply:
    """What goes back."""

    status: int
    kind: str
    body: bytes


def _json(value: Any, status: int = HTTPStatus.OK) -> Reply:
    return Reply(status, "application/json", json.dumps(value).encode("utf-8"))


class LabelServer:
    """Serves one session until `stop`, or until the page says that it is finished.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    port : int
        0 for any that is free.

    Attributes
    ----------
    finished : threading.Event
        Set by the page's last button.

    Raises
    ------
    UsageError
        The port is taken, or not for everyone's use.
    """

    def __init__(self, session: Session, pictures: Pictures, port: int = 0) -> None:
        self.finished = threading.Event()
        self._session, self._pictures = session, pictures
        self.token = secrets.token_urlsafe(24)
        try:
            self._http = _Http((HERE, port), _handler(self))
        except OSError as error:
            raise UsageError(
                f"--port {port}: cannot be used ({error.strerror}); "
                "leave --port out for a free one."
            ) from None
        self.port = int(self._http.server_address[1])
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": POLL_S}, daemon=True
        )

    @property
    def address(self) -> str:
        """What to open in the browser."""
        return f"http://{HERE}:{self.port}/{self.token}/"

    def start(self) -> None:
        """Begin to answer, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; an answer that is being written is written first."""
        self._session.end()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()

    def refusal(self, host: str, origin: str, site: str) -> str:
        """Why a request is not from our own page; empty where it is."""
        own = (f"{HERE}:{self.port}", f"localhost:{self.port}")
        if host not in own:
            return "this server answers to its own name only"
        if origin and origin not in tuple(f"http://{each}" for each in own):
            return "this server answers its own page only"
        if site and site not in ("same-origin", "none"):
            return "this server answers its own page only"
        return ""

    def inside(self, path: str) -> str | None:
        """What a path names behind the token; None where the token is wrong."""
        token, slash, rest = path.removeprefix("/").partition("/")
        right = hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())
        return rest if right and slash else None

    def get(self, name: str) -> Reply | None:
        """The answer to GET; None where there is nothing of that name."""
        if name == "":
            return Reply(HTTPStatus.OK, "text/html; charset=utf-8", label_page().encode("utf-8"))
        if name in LABEL_ASSETS:
            kind, text = LABEL_ASSETS[name], label_page(name)
            return Reply(HTTPStatus.OK, kind, text.encode("utf-8"))
        if name == "session":
            return _json(self._session.overview())
        what, _, key = name.partition("/")
        if what in ("picture", "pixels"):
            picture = self._pictures(self._session.showing(key))
            if what == "picture":
                return _json(picture.told)
            return Reply(HTTPStatus.OK, "application/octet-stream", picture.pixels)
        return None

    def post(self, name: str, given: dict[str, Any]) -> Reply | None:
        """The answer to POST; None where there is nothing of that name."""
        if name == "answer":
            try:
                key, state = str(given["key"]), str(given["state"])
                reason, seconds = str(given.get("reason") or ""), float(given["seconds"])
            except (KeyError, TypeError, ValueError):
                raise UsageError("an answer has key, state, reason and seconds.") from None
            return _json(self._session.answer(key, state, reason, seconds))
        if name == "undo":
            return _json(self._session.undo())
        if name == "finish":
            self.finished.set()
            return _json({})
        return None


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no news for the terminal."""


def _handler(server: LabelServer) -> type[BaseHTTPRequestHandler]:
    """The handler class of one server, as the standard library wants it."""

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_S
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "Lucyte", ""

        def do_GET(self) -> None:
            self._reply(server.get)

        def do_POST(self) -> None:
            given = self._given()
            if given is not None:
                self._reply(lambda name: server.post(name, given))

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: addresses hold the token."""

        def _given(self) -> dict[str, Any] | None:
            """The JSON that was sent; None where the request was refused."""
            length = self.headers.get("Content-Length", "")
            self.close_connection = True  # until the body has been read
            if not length.isdecimal() or int(length) > MOST_BYTES:
                self._send(_json({"error": "too long"}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
                return None
            body = self.rfile.read(int(length))
            kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
            try:
                given = json.loads(body)
            except (ValueError, RecursionError):
                given = None
            if kind != "application/json" or not isinstance(given, dict):
                self._send(_json({"error": "JSON is due"}, HTTPStatus.BAD_REQUEST))
                return None
            self.close_connection = False
            return given

        def _reply(self, make: Callable[[str], Reply | None]) -> None:
            named = (self.headers.get(name, "") for name in ("Host", "Origin", "Sec-Fetch-Site"))
            why = server.refusal(*named)
            if why:
                self._send(_json({"error": why}, HTTPStatus.FORBIDDEN))
                return
            name = server.inside(self.path)
            try:
                found = make(name) if name is not None else None
            except UsageError as error:
                found = _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
            except InputError as error:
                told = {"error": f"{error.problem} {error.advice}".strip()}  # its name tells
                found = _json(told, HTTPStatus.INTERNAL_SERVER_ERROR)
            except (LucyteError, OSError) as error:
                told = {"error": type(error).__name__}
                found = _json(told, HTTPStatus.INTERNAL_SERVER_ERROR)
            self._send(found or _json({"error": "not here"}, HTTPStatus.NOT_FOUND))

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

    return Handler
