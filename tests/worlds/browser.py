"""A real browser, driven as a person would: keys, clicks, pictures of the screen.

Chromium without a window, through its DevTools protocol over a websocket of the standard library.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_S = 120
NAMED_KEYS = {
    "Backspace": 8,
    "Enter": 13,
    "Escape": 27,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}
OPCODE_TEXT, OPCODE_PING, OPCODE_PONG = 1, 9, 10


def find_browser() -> str | None:
    """Chromium's program, or None; LUCYTE_CHROMIUM names another."""
    named = os.environ.get("LUCYTE_CHROMIUM", "")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)
        self._count, self._rest = 0, b""
        self.problems: list[str] = []
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._socket.recv(1)
        assert b" 101 " in head.splitlines()[0], head
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """One command of the protocol; what the page complains of meanwhile is kept."""
        self._count += 1
        self._send({"id": self._count, "method": method, "params": given})
        while True:
            told = self._receive()
            if told.get("id") == self._count:
                assert "error" not in told, told
                return dict(told["result"])
            params = told.get("params", {})
            if (
                told.get("method") == "Runtime.exceptionThrown"
                or params.get("entry", {}).get("level") == "error"
            ):
                self.problems.append(json.dumps(params))

    def open(self, address: str) -> None:
        """Go to an address."""
        assert not self.call("Page.navigate", url=address).get("errorText")

    def size(self, width: int, height: int) -> None:
        """Give the window a size in px."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def ask(self, expression: str) -> Any:
        """The value of some JavaScript."""
        told = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait for some JavaScript to be true; an error, as of a page half loaded, is not."""
        patience = time.monotonic() + PATIENCE_S
        guarded = f"(() => {{ try {{ return {expression} }} catch {{ return false }} }})()"
        while not (value := self.ask(guarded)):
            assert time.monotonic() < patience, f"waited for {expression}: {self.problems}"
            time.sleep(0.02)
        return value

    def press(self, key: str, times: int = 1, *, repeat: bool = False) -> None:
        """Press a key, as the keyboard does."""
        typed = "\r" if key == "Enter" else key
        text = {"text": typed} if len(typed) == 1 else {}
        code = NAMED_KEYS.get(key, ord(key.upper()[0]))
        for _ in range(times):
            self.call(
                "Input.dispatchKeyEvent",
                type="keyDown",
                key=key,
                windowsVirtualKeyCode=code,
                autoRepeat=repeat,
                **text,
            )
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def picture(self, path: Path) -> None:
        """The screen as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _send(self, value: dict[str, Any], opcode: int = OPCODE_TEXT) -> None:
        data = json.dumps(value).encode()
        mask = os.urandom(4)
        size = len(data)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", size)
        masked = bytes(byte ^ mask[k % 4] for k, byte in enumerate(data))
        self._socket.sendall(head + mask + masked)

    def _receive(self) -> dict[str, Any]:
        whole = b""
        while True:
            first, second = self._bytes(2)
            size = second & 127
            if size == 126:
                (size,) = struct.unpack(">H", self._bytes(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._bytes(8))
            data = self._bytes(size)
            if first & 15 in (OPCODE_PING, OPCODE_PONG):
                continue
            whole += data
            if first & 0x80:
                return dict(json.loads(whole))

    def _bytes(self, count: int) -> bytes:
        while len(self._rest) < count:
            more = self._socket.recv(1 << 16)
            if not more:
                raise AssertionError("the browser hung up")
            self._rest += more
        data, self._rest = self._rest[:count], self._rest[count:]
        return data


@contextmanager
def browsing(program: str) -> Iterator[Page]:
    """A browser with one empty tab; it ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        started = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--no-sandbox",  # tests run as root in containers
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
                f"--user-data-dir={home}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            page = Page(_tab(started, Path(home) / "DevToolsActivePort"))
            yield page
            page.close()
        finally:
            started.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(10)
            started.kill()
            started.wait()


def _tab(started: subprocess.Popen[bytes], told: Path) -> str:
    """The websocket of the browser's first tab."""
    from http.client import HTTPConnection

    patience = time.monotonic() + PATIENCE_S
    while True:
        assert started.poll() is None, f"the browser ended with {started.returncode}"
        assert time.monotonic() < patience, "the browser does not answer"
        with contextlib.suppress(OSError, ValueError, StopIteration, IndexError):
            port = int(told.read_text().splitlines()[0])
            http = HTTPConnection("127.0.0.1", port, timeout=10)
            http.request("GET", "/json/list")
            tabs = json.loads(http.getresponse().read())
            return str(next(t["webSocketDebuggerUrl"] for t in tabs if t["type"] == "page"))
        time.sleep(0.05)
