"""Parts from outside of the repository: the worked example, what is loaded when, and check-part."""

import re
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml
from command import mistake, nmt
from number_language import corpus_words
from safetensors.torch import load_file

from nmt.config.kinds import class_for
from nmt.config.own import Named, name_modules, offered, own_choices
from nmt.errors import UserError

PAGE = (Path(__file__).parent.parent / "docs" / "own_attention.md").read_text("utf-8")
CODE, POSITIONS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line.removeprefix("nmt ") for line in re.findall("^nmt .*$", PAGE, re.MULTILINE)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the user's, with the files of the page; no module of it is loaded before."""
    before = sys.path.copy()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_attention.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "my_positions.py").write_text(POSITIONS, encoding="utf-8")
    yield tmp_path
    for name in ("my_attention", "my_positions", "own_broken", "own_package", "own_package.inner"):
        sys.modules.pop(name, None)
    sys.path[:] = before


def typed(beginning: str) -> list[str]:
    """The words of the page's command that begins so."""
    (command,) = [one for one in COMMANDS if one.startswith(beginning)]
    return command.split()


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory) -> Path:
    """The run folder of the page's training, on another corpus."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", sys.path.copy())
        (folder / "my_attention.py").write_text(CODE, encoding="utf-8")
        words = [one for one in typed("train experiment=smoke") if one != "experiment=smoke"]
        short = ("train.max_steps=1", "train.evaluate_every=1", "train.heatmaps=0")
        answer = nmt(*words, *tiny, *short)
        assert answer.code == 0, answer.err
        assert "nmt translate run=l2 parts=my_attention" in answer.err
    sys.modules.pop("my_attention", None)
    return folder / "l2"


@pytest.mark.parametrize("part", ["my_attention:L2", "my_positions:Kerple"])
def test_the_examples_of_the_page_keep_all_laws(here, part):
    answer = nmt(*typed(f"check-part {part}"))
    assert answer.code == 0, answer.out
    assert "FAILED" not in answer.out
    passed, laws = re.findall(r"(\d+) of (\d+) laws hold", answer.out)[0]
    assert passed == laws == str(answer.out.count("passed"))


def test_the_example_of_the_page_is_trained_and_translates(here, run, numbers):
    shutil.copytree(run, "l2")
    shutil.copy(numbers / "test.de", "text.de")
    config = yaml.safe_load(Path("l2/config.yaml").read_text())
    expected = {"_target_": "my_attention.L2", "_partial_": True, "scale": 0.5}
    assert config["attention"] == config["model"]["attention"] == expected

    answer = nmt(*typed("translate"))

    assert answer.code == 0, answer.err
    assert Path("text.en").read_text() == Path("l2/hypotheses.txt").read_text()
    answer = nmt("train", "resume=l2", "parts=my_attention")
    assert (
        "To train it further: nmt train resume=l2 parts=my_attention train.max_steps=" in answer.err
    )


@pytest.mark.parametrize(
    "words", ["translate run=l2", "evaluate run=l2", "train resume=l2", "train from=l2"]
)
def test_a_run_folder_does_not_load_what_nobody_named(here, run, words):
    shutil.copytree(run, "l2")
    for others in ([], ["parts=another"]):
        message = mistake(nmt(*words.split(), *others))
        assert "my_attention.L2" in message
        assert message.endswith("add parts=my_attention\n")
        assert "my_attention" not in sys.modules


def test_a_package_is_named_for_all_that_is_in_it(here):
    (here / "own_package").mkdir()
    (here / "own_package" / "__init__.py").write_text("from own_package.inner import L2 as Near")
    (here / "own_package" / "inner.py").write_text(CODE)
    for one in ("own_package:Near", "own_package.inner:L2"):
        message = mistake(nmt("train", f"attention={one}", "train.max_steps=null"))
        assert "train.max_steps" in message, "all else is right"
    for module, code in (("own_package", 0), ("own_package.inner", 0), ("own", 1)):
        name_modules([f"parts={module}"])
        with pytest.raises(UserError) if code else nullcontext():
            assert class_for("attention", "own_package.inner.L2")


@pytest.mark.parametrize("typed", ["one,two.inner", "one:A,two.inner:B", "[one:A,two.inner]"])
def test_several_modules_are_named_with_or_without_classes(typed):
    name_modules([f"parts={typed}"])
    assert Named().modules == ["one", "two.inner"]


def test_a_sweep_may_have_a_space_before_a_class(here):
    message = mistake(nmt("train", "-m", "attention=cosine, my_attention:L3"))
    assert "no class L3" in message


def test_a_colon_alone_names_no_class(here):
    answer = nmt("train", "hydra.run.dir=a:b", "data.dir=c:d", "data=multi30k", "--cfg=job")
    assert answer.code == 0, answer.err
    assert not Named().modules
    assert own_choices("tokenizer.model=spm:v2") == {}


@pytest.mark.parametrize(
    "words", [line.split() for line in COMMANDS if line.startswith(("train model", "bench"))]
)
def test_the_class_goes_wherever_a_choice_goes(here, words):
    answer = nmt(*words, "--cfg=job", "--resolve")
    assert answer.code == 0, answer.err
    (kind,) = re.findall(r"my_\w+:\w+", " ".join(words))
    assert f"_target_: {kind.replace(':', '.')}" in answer.out


def test_positions_of_the_users_own_are_trained(here, numbers):
    words = [*typed("train model=transformer positions="), *corpus_words(numbers)]
    layers = ("model.encoder_layers=1", "model.decoder_layers=1")
    sizes = ("model.width=8", "model.heads=2", "model.feed_forward_width=8", *layers)
    short = ("train.max_steps=1", "train.heatmaps=0", "decode.max_ratio=1", "hydra.run.dir=run")
    answer = nmt(*words, *sizes, *short)
    assert answer.code == 0, answer.err
    biases = [name for name in load_file("run/model.safetensors") if name.endswith("bias.ln_r")]
    assert len(biases) == 2, "of both self-attentions"
    assert "add parts=my_positions" in mistake(nmt("translate", "run=run"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("attention=my_attention:L3", ["attention=my_attention:L3", "no class L3", "L2"]),
        ("attention=nowhere:L2", ["no module nowhere", "nowhere.py must be in this folder"]),
        ("attention=broken:L2", ["broken cannot be imported: ZeroDivisionError", "line 1"]),
        ("cross.normalize=my_attention:L2", ["L2 is not a subclass of", "Normalizer"]),
        ("attention=my_attention:Score", ["define forward"]),
        ("attention=my_attention:L2 attention.scal=2", ["mean attention.scale?"]),
        ("attention=my_attention:L2 attention.scale=x", ["attention.scale=x", "a number"]),
        ("attention=os:system", ["os.py has no class system"]),
        ("tokenizer=my_attention:L2", ["tokenizer=my_attention:L2", "chosen for", "attention"]),
    ],
)
def test_what_cannot_be_loaded_is_told(here, words, told):
    (here / "broken.py").write_text("1 / 0")
    message = mistake(nmt("train", *words.split()))
    assert all(one in message for one in told), message


BROKEN = '''
import torch
from nmt.attention.normalize import Normalizer, Softmax
from nmt.attention.score import Score
from nmt.errors import UserError

class Crowd(Score):
    """Sees how many keys there are."""
    def forward(self, query, keys):
        return query @ keys.transpose(-2, -1) * keys.shape[-2]

class Leaky(Normalizer):
    """Gives weight to what is hidden, and has not declared its sums."""
    def forward(self, scores, query=None):
        return scores.clamp(min=-9).sigmoid()

class Alone(Softmax):
    """Has no meaning with several heads."""
    def __init__(self, heads):
        super().__init__(heads)
        if heads > 1:
            raise UserError("one head, please")

class Several(Softmax):
    """Has no meaning with one head."""
    def __init__(self, heads):
        super().__init__(heads)
        if heads < 2:
            raise UserError("heads, please")

class Eager(Softmax):
    def __init__(self, heads):
        raise ValueError("not today")

class Three(Score):
    def forward(self, query, keys):
        return torch.bmm(query, keys.transpose(1, 2))
'''


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("Crowd", {"padding changes nothing": "numbers differ, by"}),
        (
            "Leaky",
            {
                "facts are as declared": "sums_to_one is True, and sums are",
                "weights are as declared": "padding has weight",
            },
        ),
        (
            "Three",
            {"fused and plain agree": r"two heads, two hops: RuntimeError: .*own_broken.py, "},
        ),
    ],
)
def test_check_part_names_the_law_that_is_broken(here, name, broken):
    (here / "own_broken.py").write_text(BROKEN)
    answer = nmt("check-part", f"own_broken:{name}")
    assert answer.code == 1, answer.out
    for law, reason in broken.items():
        assert re.search(rf"^FAILED  {law}\n .*{reason}", answer.out, re.MULTILINE), answer.out


@pytest.mark.parametrize(
    ("part", "tried"),
    [
        ("nmt.attention.sink:KeySink", {"fused and plain agree": 6, "of models: ": 4}),
        ("nmt.attention.relu:ReLU", {"fused and plain agree": 4, "of models: ": 4}),
        ("nmt.models.positions:Rope", {"fused and plain agree": 5, "of models: ": 1}),
        ("nmt.models.positions:Forgetting", {"fused and plain agree": 7, "of models: ": 1}),
        ("nmt.attention.coverage:Coverage", {"fused and plain agree": 5, "of models: ": 2}),
        ("nmt.attention.fixed:Fixed", {"fused and plain agree": 1, "of models: ": 1}),
        ("own_broken:Alone", {"fused and plain agree": 5, "of models: ": 3, "facts are as": 1}),
        ("own_broken:Several", {"fused and plain agree": 1, "of models: ": 1, "facts are as": 1}),
    ],
)
def test_check_part_leaves_out_what_has_no_meaning(here, part, tried):
    (here / "own_broken.py").write_text(BROKEN)
    answer = nmt("check-part", part)
    assert answer.code == 0, answer.out
    for law, number in tried.items():
        times = "once" if number == 1 else f"{number} times"
        assert re.search(rf"^passed  {law}.*: tried {times}", answer.out, re.MULTILINE), answer.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("own_broken:Eager", "it cannot be made: ValueError: not today"),
        ("", "which part?"),
        ("my_attention", "MODULE:CLASS"),
        ("my_attention:L3", "my_attention has L2"),
        ("nmt.models.rnn:RNN", "not a subclass of nmt's Score or Normalizer or Window"),
        ("my_attention:L2 scal=3", "attention.scal: no such key"),
    ],
)
def test_check_part_refuses_what_is_no_part(here, words, told):
    (here / "own_broken.py").write_text(BROKEN)
    assert told in mistake(nmt("check-part", *words.split()))


def test_parts_of_installed_packages_have_names(here):
    installed = here / "site" / "l2-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: l2\nVersion: 1.0\n")
    toml = re.findall(r'^"(attention\.\w+)" = "(.*)"$', PAGE, re.MULTILINE)[0]
    (installed / "entry_points.txt").write_text("[nmt.parts]\n{} = {}\n".format(*toml))
    sys.path.append(str(here / "site"))
    offered.cache_clear()
    try:
        scores = re.search(r"^  attention( .*\n)+?  \w", nmt("train", "--help").out, re.MULTILINE)
        assert scores[0].splitlines()[-2].endswith(" l2")
        assert "_target_: my_attention.L2" in nmt("train", "attention=l2", "--cfg=job").out
        assert "Choose one of bahdanau, " in (message := mistake(nmt("train", "attention=l3")))
        assert message.endswith(", l2\n")
    finally:
        offered.cache_clear()
