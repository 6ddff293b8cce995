"""The explorer of sentences that are typed: a page for this machine alone, and what answers it."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from nmt.errors import UserError
from nmt.report.explorer.page import LIVE_POLICY, as_json, page

HERE = "127.0.0.1"
TRANSLATE = "/translate"
MAX_BYTES = 20_000  # of a request
PATIENCE = 10  # seconds for a request to arrive
QUEUE = 30  # seconds that a request waits for the one before it

Answer = Callable[[str], list[dict[str, Any]]]  # the records of a sentence's translations


class Live(ThreadingHTTPServer):
    """Serves the page of some runs on this machine. UserError for a port that is in use."""

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, runs: dict[str, Answer], port: int) -> None:
        self.runs, self.busy = runs, Lock()
        try:
            super().__init__((HERE, port), Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"port={port} cannot be used ({reason}): name another, or port=0 for a free one"
            ) from error

    @property
    def address(self) -> str:
        """Where a browser finds the page."""
        return f"http://{HERE}:{self.server_port}/"

    def page(self) -> str:
        """Return the page, with nothing to show yet."""
        runs = [{"name": name, "best": None, "texts": []} for name in self.runs]
        return page({"runs": runs, "panels": len(runs), "live": TRANSLATE}, policy=LIVE_POLICY)

    def translated(self, text: str) -> str:
        """Return what each run has to say of a sentence. UserError for one that is too long."""
        if not self.busy.acquire(timeout=QUEUE):
            raise UserError("another sentence takes too long: try again later")
        try:
            found = {name: answer(text) for name, answer in self.runs.items()}
        finally:
            self.busy.release()
        return as_json(
            {
                "runs": [
                    {
                        "name": name,
                        "best": None,
                        "texts": [{"name": "", "moments": [{"step": 0, "sentences": records}]}],
                    }
                    for name, records in found.items()
                ]
            }
        )


class Handler(BaseHTTPRequestHandler):
    """Answers the page's requests, and none that come for, or from, another host."""

    server: Live  # type: ignore[assignment]
    timeout = PATIENCE

    def do_GET(self) -> None:
        """Give the page."""
        if self.is_allowed():
            if self.path == "/":
                self.give(200, self.server.page(), "text/html")
            else:
                self.give(404, "there is one page: /", "text/plain")

    def do_POST(self) -> None:
        """Translate a sentence, which comes as JSON: {"text": …}."""
        if not self.is_allowed():
            return
        try:
            self.give(200, self.server.translated(self.text()), "application/json")
        except UserError as error:
            self.give(400, str(error), "text/plain")

    def is_allowed(self) -> bool:
        """Refuse what pages of other sites ask for, whatever name they have for this machine."""
        hosts = {f"{name}:{self.server.server_port}" for name in (HERE, "localhost")}
        origin = self.headers.get("Origin")
        known = self.headers.get("Host") in hosts
        if known and (origin is None or origin.removeprefix("http://") in hosts):
            return True
        self.give(403, "this page is for this machine alone", "text/plain")
        return False

    def text(self) -> str:
        """Return the sentence of a request. UserError for what is no request of the page."""
        length = self.headers.get("Content-Length", "")
        if self.path != TRANSLATE or not length.isdecimal() or int(length) > MAX_BYTES:
            raise UserError(f"send {TRANSLATE} at most {MAX_BYTES:,} bytes")
        try:
            content = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            content = None
        text = content.get("text") if isinstance(content, dict) else None
        if not isinstance(text, str):
            raise UserError('send {"text": "a sentence"}')
        return text

    def give(self, status: int, text: str, kind: str) -> None:
        """Answer."""
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""
