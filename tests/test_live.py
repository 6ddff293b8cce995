"""`nmt explore serve=true`: the page for sentences that are typed, and who may ask."""

import json
import socket
from functools import partial
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from browser import needs_browser
from command import mistake, nmt
from test_explorer import EXPLORER, ready, texts, value

import nmt as library
from nmt.commands.serving import MAX_BYTES, Live
from nmt.evaluation.live import LONGEST, answer
from nmt.report.explorer import document


@pytest.fixture(scope="module")
def model(trained):
    return library.load(trained, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def live(model):
    reply = partial(answer, model.translator, model.decode)
    with Live({"a": reply, "b": reply}, 0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(live: Live, body: bytes, path: str = "translate", **headers: str) -> dict:
    request = Request(f"{live.address}{path}", data=body, headers=headers)
    with urlopen(request) as found:
        return json.loads(found.read())


def test_the_answer_is_what_the_library_says(live, model):
    found = ask(live, json.dumps({"text": "eins\nzwei drei"}).encode())

    assert [run["name"] for run in found["runs"]] == ["a", "b"]
    records = found["runs"][0]["texts"][0]["moments"][0]["sentences"]
    best = model("eins zwei drei", beam=5, n_best=5)
    assert [one["target"] for one in records] == [one.text for one in (best, *best.alternatives)]
    shown = document.unpack(records[0]["places"]["cross"]["values"]["weights"])
    assert np.abs(shown - best.attention.weights).max() < 0.004
    for record in records:
        rows = zip(record["log_p"], record["next"], record["axes"]["target"]["pieces"], strict=True)
        for log_p, beside, piece in rows:
            assert len(beside) == 5
            assert piece not in [one for one, _ in beside]
            shares = [p for _, p in beside]
            assert shares == sorted(shares, reverse=True)
            assert np.exp(log_p) + sum(shares) <= 1.001


@pytest.mark.parametrize(
    ("body", "headers", "status", "told"),
    [
        (b'{"text": "eins"}', {"Host": "example.com"}, 403, "this machine alone"),
        (b'{"text": "eins"}', {"Origin": "http://example.com"}, 403, "this machine alone"),
        (b'{"text": "eins"}', {"Origin": "null"}, 403, "this machine alone"),
        (b'{"text": ""}', {}, 400, "type a sentence"),
        (json.dumps({"text": "eins " * (LONGEST + 1)}).encode(), {}, 400, f"at most {LONGEST}"),
        (b" " * (MAX_BYTES + 1), {}, 400, "bytes"),
        (b"[" * 9999, {}, 400, "a sentence"),
        (b'{"text": 3}', {}, 400, "a sentence"),
    ],
)
def test_other_hosts_and_what_is_too_long_are_refused(live, body, headers, status, told):
    with pytest.raises(HTTPError) as refused:
        ask(live, body, **headers)

    assert refused.value.code == status
    assert told in refused.value.read().decode()


def test_a_search_that_takes_too_long_is_ended(live, monkeypatch):
    monkeypatch.setattr("nmt.evaluation.live.SECONDS", 0.0)
    with pytest.raises(HTTPError) as refused:
        ask(live, json.dumps({"text": "eins zwei"}).encode())

    assert refused.value.code == 400
    assert "longer than 0 seconds" in refused.value.read().decode()


def test_it_listens_on_this_machine_alone(live):
    assert live.server_address[0] == "127.0.0.1"


def test_a_port_in_use_is_told(trained):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = mistake(nmt("explore", trained, "serve=true", f"port={port}", "device=cpu"))

    assert f"port={port}" in message
    assert "port=0" in message
    assert "port=99999" in mistake(nmt("explore", trained, "serve=true", "port=99999"))
    assert "output=" in mistake(nmt("explore", trained, "serve=true", "output=x.html"))


@needs_browser
def test_a_sentence_is_typed_and_its_translations_are_touched(live, tab, model):
    tab.open(live.address)
    tab.until("Boolean(document.querySelector('.live input'))")
    assert texts(tab, "canvas.cells") == []
    tab.run("document.querySelector('.live input').value = 'eins zwei'")
    tab.point(".live button", "click")
    tab.until("document.querySelectorAll('canvas.cells').length === 2")
    ready(tab)

    best = model("eins zwei", beam=5, n_best=5)
    assert texts(tab, ".texts dd")[:2] == ["eins zwei", best.text]
    tab.point("ol.query li")
    assert value(tab).count("%") == 5
    options = texts(tab, ".bar option")
    assert sum(f": {one.text} (" in option for one in best.alternatives for option in options) >= 1
    shown = np.array(tab.run(f"Array.from({EXPLORER}.panels[1].view.maps.values)"))
    assert np.abs(shown - best.attention.weights.ravel()).max() < 0.004

    tab.run("document.querySelector('.live input').value = ' '")
    tab.browser.events.clear()  # an answer of 400 is an error in the console
    tab.point(".live button", "click")
    tab.until("document.querySelector('.message').textContent === 'type a sentence'")
    tab.browser.events.clear()
