"""Headless Chromium, driven over a pipe by the DevTools protocol: no package, no network."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
PATIENCE = 60  # seconds for a page to come to what is waited for, on a busy machine
OPTIONS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"),
    *("--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-proxy-server"),
)

# The browser reads from 3 and writes to 4.
WIRE = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """A browser; what it is told and what it says are messages of JSON that end in a null byte."""

    def __init__(self, write: int, read: int) -> None:
        self.write, self.read = write, read
        self.number, self.rest = 0, b""
        self.events: list[dict[str, Any]] = []

    def message(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            self.rest += os.read(self.read, 1 << 20)
        one, _, self.rest = self.rest.partition(b"\0")
        return json.loads(one)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Tell it something and return its answer; what happens meanwhile is kept."""
        self.number += 1
        told = {"id": self.number, "method": method, "params": params}
        told |= {"sessionId": session} if session else {}
        os.write(self.write, json.dumps(told).encode() + b"\0")
        while True:
            said = self.message()
            if said.get("id") == self.number:
                assert "error" not in said, said
                return said["result"]
            self.events.append(said)


class Page:
    """A tab with what went wrong in it and what it asked for."""

    def __init__(self, browser: Browser, width: int = 1440, height: int = 1000) -> None:
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        browser.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(width, height)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **params)

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)

    def size(self, width: int, height: int = 1000) -> None:
        mobile = width < 600
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def dark(self) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark"}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def open(self, place: Path | str) -> "Page":
        url = place.resolve().as_uri() if isinstance(place, Path) else place
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")
        return self

    def run(self, script: str) -> Any:
        """Return what a script gives, awaited."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until a script gives something that is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(script):
            assert time.monotonic() < end, f"never: {script}"
            time.sleep(0.02)

    def point(self, selector: str, kind: str = "mouseMoved", number: int = 0) -> None:
        """Move the mouse to the middle of an element, or press and release it there."""
        x, y = self.run(
            f"(() => {{ const one = document.querySelectorAll({json.dumps(selector)})[{number}];"
            "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        self.point_at(x, y, kind)

    def point_at(self, x: float, y: float, kind: str = "mouseMoved") -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        if kind == "click":
            for one in ("mousePressed", "mouseReleased"):
                self.call(
                    "Input.dispatchMouseEvent", type=one, x=x, y=y, button="left", clickCount=1
                )

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def screenshot(self, path: Path) -> None:
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def said(self) -> list[str]:
        """What went wrong: errors of the console, and exceptions."""
        found = []
        for event in self.browser.events:
            params = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(str(params["entry"]))
            elif event["method"] == "Runtime.consoleAPICalled" and params["type"] == "error":
                found.append(str(params["args"]))
        return found

    def asked(self) -> list[str]:
        """The addresses that were asked for."""
        events = (e for e in self.browser.events if e["method"] == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in events]


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """Start a browser with a profile of its own."""
    assert CHROMIUM
    (its_read, write), (read, its_write) = os.pipe(), os.pipe()
    process = subprocess.Popen(
        [
            *(sys.executable, "-S", "-c", WIRE, str(its_read), str(its_write)),
            *(CHROMIUM, *OPTIONS, f"--user-data-dir={folder}"),
        ],
        pass_fds=(its_read, its_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(its_read)
    os.close(its_write)
    browser = Browser(write, read)
    try:
        yield browser
        browser.call("Browser.close")
        process.wait(30)
    finally:
        process.kill()
        process.wait()
        os.close(write)
        os.close(read)
