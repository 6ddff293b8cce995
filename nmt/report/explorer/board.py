"""The tab "Attention" of TensorBoard: a plugin, which an entry point of this package registers.

A run's moments are string tensors in its events, read through TensorBoard's own data provider. Two
tags belong to a text: ``NAME`` has the moments as JSON, and ``NAME/steps`` an empty string for
each, so that the steps can be listed without reading the moments.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tensorboard import plugin_util
from tensorboard.backend import http_util
from tensorboard.data.provider import RunTagFilter
from tensorboard.plugins.base_plugin import FrontendMetadata, TBContext, TBPlugin
from werkzeug import Request, Response
from werkzeug.exceptions import NotFound

from nmt.report.explorer.page import STYLE, style
from nmt.report.explorer.plugin_data import EVENTS, PLUGIN, STEPS

ALL = 10_000  # moments of a text: more than there are
FOLDER = Path(__file__).parent
FILES = {
    "board.js": "application/javascript",
    "attention.js": "application/javascript",
    STYLE: "text/css",
}

Moments = dict[int, str]  # JSON by step


class AttentionPlugin(TBPlugin):
    """Serves the script and the data of the tab."""

    plugin_name = PLUGIN

    def __init__(self, context: TBContext) -> None:
        assert context.data_provider
        self.provider = context.data_provider
        self.held: tuple[object, Moments] = (None, {})  # of the text that was read last

    def is_active(self) -> bool:
        """Leave it to TensorBoard, which shows the tab where a run has data of this plugin."""
        return False

    def frontend_metadata(self) -> FrontendMetadata:
        """Name the script of the tab."""
        return FrontendMetadata(es_module_path="/board.js", tab_name="Attention")

    def get_plugin_apps(self) -> Mapping[str, Callable[..., Any]]:
        """Return the application for each address."""
        files = {f"/{name}": serving(name) for name in FILES}
        return {
            **files,
            "/document": Request.application(self.document),
            "/moment": Request.application(self.moment),
        }

    def document(self, request: Request) -> Response:
        """Serve the document of all runs: names, texts, steps, and addresses of the moments."""
        asked = about(request)
        tags = {tag for one in self.provider.list_tensors(**asked).values() for tag in one}
        steps = RunTagFilter(tags=[tag for tag in tags if tag.endswith(STEPS)])
        read = self.provider.read_tensors(**asked, downsample=ALL, run_tag_filter=steps)
        runs = [
            {"name": short(run), "best": None, "texts": list(texts(run, found))}
            for run, found in sorted(read.items())
        ]
        return http_util.Respond(request, {"runs": runs}, "application/json")

    def moment(self, request: Request) -> Response:
        """Serve the moment of a run, a text and a step."""
        run, text = (request.args.get(key, "") for key in ("run", "text"))
        moments = self.moments(about(request), run, text)
        found = moments.get(request.args.get("step", -1, int))
        if found is None:
            raise NotFound(f"{run} has no such moment of {text}")
        return http_util.Respond(request, found, "application/json")

    def moments(self, asked: dict[str, Any], run: str, text: str) -> Moments:
        """Read all moments of a text in a run; those of the last text stay in memory."""
        of = RunTagFilter(runs=[run], tags=[text])
        listed = self.provider.list_tensors(**asked, run_tag_filter=of).get(run, {})
        if text not in listed:
            return {}
        key = run, text, listed[text].max_wall_time
        if self.held[0] != key:
            read = self.provider.read_tensors(**asked, downsample=ALL, run_tag_filter=of)
            self.held = key, {one.step: text_of(one.numpy) for one in read[run][text]}
        return self.held[1]


def about(request: Request) -> dict[str, Any]:
    """Return the arguments for TensorBoard's data provider."""
    return {
        "ctx": plugin_util.context(request.environ),
        "experiment_id": plugin_util.experiment_id(request.environ),
        "plugin_name": PLUGIN,
    }


def short(run: str) -> str:
    """Return the name of a run without the folder that its events are in."""
    return run.removesuffix(f"/{EVENTS}")


def texts(run: str, found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the texts of a run, each with its moments."""
    for tag, read in sorted(found.items()):
        text = tag.removesuffix(STEPS)
        addresses = (urlencode({"run": run, "text": text, "step": one.step}) for one in read)
        moments = [
            {"step": one.step, "url": f"moment?{address}"}
            for one, address in zip(read, addresses, strict=True)
        ]
        yield {"name": text, "moments": moments}


def text_of(tensor: Any) -> str:
    """Return the string in a tensor of one string."""
    one = tensor.item()
    return one.decode("utf-8") if isinstance(one, bytes) else str(one)


def serving(name: str) -> Callable[..., Any]:
    """Return the application that serves one of the page's own files."""

    def serve(request: Request) -> Response:
        text = style() if name == STYLE else (FOLDER / name).read_text("utf-8")
        return http_util.Respond(request, text, FILES[name])

    return Request.application(serve)
