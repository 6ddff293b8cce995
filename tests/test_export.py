"""nmt export: the same model elsewhere, or a refusal by name."""

import ast
import contextlib
import io
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import exported
import numpy as np
import pytest
import sentencepiece
import torch
from choices import ALL
from command import files, mistake, nmt
from exported_runs import composed, random_original, sentences, training_words
from PIL import Image
from toy_text import text

import nmt as package
from nmt.config.settings import settings
from nmt.data.tokenizer import Tokenizer
from nmt.decoding.decode import Decode
from nmt.errors import UserError
from nmt.evaluation.score import score_ids
from nmt.export import ctranslate2 as exporting
from nmt.export.card import public
from nmt.export.export import TARGETS, export, largest, new_folder
from nmt.hardware.processor import cpu_flags
from nmt.run import build_model
from nmt.runs.folder import stored

OLD = Path(__file__).parent / "old_runs"
needs_ctranslate2 = pytest.mark.skipif(
    find_spec("ctranslate2") is None,
    reason="ctranslate2 is not installed: pip install -e '.[export]'",
)
needs_transformers = pytest.mark.skipif(
    find_spec("transformers") is None,
    reason="transformers is not installed: pip install -e '.[export]'",
)
SAME = 1e-4  # nats, in a piece

MODELS = [
    "model.tie_output=false model.share_embeddings=false",
    "residual=post feed_forward=swiglu norm=rms positions=rope",
    "feed_forward=gelu positions=learned model.tie_keys_values=true model.scale_embeddings=false",
    "attention=luong_dot positions=shaw model.heads=4 model.key_heads=2",
    "positions=none model.heads=4 model.key_heads=1 model.head_width=5",
    "attention=cosine positions=rope norm=rms model.heads=1",
    "attention=cosine cross.attention=scaled_dot decoder.2.attention=luong_dot",
]


@pytest.fixture(scope="module")
def trained(numbers, tmp_path_factory) -> Path:
    """The run folder of a small Transformer."""
    run = tmp_path_factory.mktemp("exported") / "run"
    answer = nmt("train", *training_words(numbers), f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    return run


@needs_ctranslate2
@pytest.mark.parametrize("words", MODELS)
def test_ctranslate2_computes_the_same(words, tokenizer, tmp_path):
    """Forced scores, and greedy translations as long as the search may make them."""
    import ctranslate2

    original = random_original(tokenizer, words)
    translator = original.translator
    assert not exporting.misfits(original.settings, translator.model)

    exporting.save(original, tmp_path, "float32")

    lines = sentences(tokenizer)
    targets = lines[::-1]
    found = exporting.log_ps(tmp_path, lines, targets)
    assert largest(score_ids(translator, lines, targets), found) < SAME
    texts = [tokenizer.decode(line) for line in lines]
    ours = translator(texts, Decode(beam=1, max_ratio=0, max_extra=15))
    theirs = ctranslate2.Translator(str(tmp_path), intra_threads=1).translate_batch(
        [tokenizer.pieces(line) for line in tokenizer.encode(texts)],
        beam_size=1,
        max_decoding_length=15,
        suppress_sequences=[["<pad>"], ["<s>"]],
    )
    assert [one.hypotheses[0] for one in theirs] == [tokenizer.pieces(best.ids) for (best,) in ours]


@needs_ctranslate2
def test_special_pieces_may_have_any_name(tmp_path):
    written = io.BytesIO()
    named = {f"{one}_piece": f"[{one.upper()}]" for one in ("pad", "unk", "bos", "eos")}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text(200)),
        model_writer=written,
        vocab_size=200,
        minloglevel=2,
        **(dict(zip(("pad_id", "unk_id", "bos_id", "eos_id"), range(4), strict=True)) | named),
    )
    tokenizer = Tokenizer(written.getvalue(), 0.0)
    original = random_original(tokenizer, MODELS[0])

    exporting.save(original, tmp_path, "float32")

    lines = sentences(tokenizer)
    found = exporting.log_ps(tmp_path, lines, lines)
    assert largest(score_ids(original.translator, lines, lines), found) < SAME


@needs_ctranslate2
def test_int8_is_near_and_leaves_the_model_as_it_is(tokenizer, tmp_path):
    import ctranslate2

    original = random_original(tokenizer)
    model = original.translator.model
    before = {name: one.clone() for name, one in model.state_dict().items()}
    sizes = {}
    for quantization in exporting.QUANTIZATIONS:
        folder = tmp_path / quantization
        folder.mkdir()
        exporting.save(original, folder, quantization)
        sizes[quantization] = (folder / "model.bin").stat().st_size

    after = model.state_dict()
    assert all(torch.equal(one, after[name]) for name, one in before.items())
    assert ctranslate2.Translator(str(folder)).compute_type.startswith("int8")
    assert sizes["int8"] < sizes["float32"] - 2 * model.output.weight.numel()
    lines = sentences(tokenizer)
    ours = score_ids(original.translator, lines, lines)
    found = exporting.log_ps(folder, lines, lines)
    exact = {"avx512_vnni", "avx_vnni"} & cpu_flags()  # elsewhere sums of int8 products saturate
    assert SAME < largest(ours, found) < (0.5 if exact else 2)


@pytest.mark.parametrize(
    ("words", "reasons"),
    [
        ("normalize=sparsemax", ["normalize=sparsemax (it has softmax)"]),
        ("attention=bahdanau", ["attention=bahdanau (it has scaled_dot, luong_dot, cosine)"]),
        ("positions=t5 sink=logit", ["positions=t5", "sink=logit (it has none)"]),
        ("encoder.window=local_m", ["encoder.window=local_m (it has full)"]),
        ("cross.2.gate=sigmoid mix=talking_heads", ["mix=talking_heads", "cross.2.gate=sigmoid"]),
        (
            "model.soft_cap=50 model.hops=2",
            ["model.hops=2 (it has 1)", "model.soft_cap=50 (it has none)"],
        ),
        ("model.copy=true", ["model.copy=true (it has false)"]),
        ("model.causal_mask=false", ["model.causal_mask=false (it has true)"]),
        ("cross.heads=2", ["cross.heads=2"]),
        ("attention=cosine", ["cross.attention=cosine with 4 heads"]),
        ("attention=cosine cross.attention=scaled_dot", []),
        ("attention=cosine model.heads=1", []),
        ("positions=rope norm=rms feed_forward=swiglu residual=post", []),
        (
            "attention=bahdanau encoder.attention=scaled_dot decoder.attention=luong_dot "
            "cross.attention=scaled_dot",
            [],
        ),
    ],
)
def test_what_ctranslate2_does_not_have_is_named(words, reasons):
    cfg = composed(*words.split())

    found = exporting.misfits(settings(stored(cfg)), build_model(cfg, range(9), range(9)))

    assert len(found) == len(reasons), found
    for reason, one in zip(sorted(reasons), sorted(found), strict=True):
        assert one.startswith(reason)


def example(folder: Path) -> str:
    """What the program on the model card prints for a sentence."""
    (program,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    program = program.replace("FOLDER", str(folder)).replace("…", "drei eins fünf")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(program, {})
    return printed.getvalue()


@pytest.mark.parametrize(
    ("to", "quantization"),
    [
        pytest.param("ctranslate2", "float32", marks=needs_ctranslate2),
        *([pytest.param("ctranslate2", "int8", marks=needs_ctranslate2)] if ALL else []),
        pytest.param("huggingface", "float32", marks=needs_transformers),
    ],
)
def test_the_program_on_the_model_card_translates(to, quantization, trained, tmp_path):
    """As a user has it: the command, then what its model card says."""
    folder = tmp_path / "new" / "folder"

    answer = nmt(
        "export", f"run={trained}", f"to={to}", f"quantization={quantization}", f"output={folder}"
    )

    assert answer.code == 0, answer.err
    assert f"{folder}: ln P of a piece differs" in answer.err
    assert f"cat {folder}/README.md" in answer.err
    (text,) = ast.literal_eval(example(folder))
    best = package.load(trained, precision="fp32").translate("drei eins fünf")
    if quantization == "float32":  # where the limit of the length is another one, one is longer
        assert text.startswith(best) or best.startswith(text)
    card = (folder / "README.md").read_text()
    result = json.loads((trained / "result.json").read_text())
    assert (
        f"| BLEU | {result['bleu']:.2f} | `{result['signatures']['bleu']}` |".replace(
            "`nrefs:1|", "`nrefs:1\\|"
        ).split("|case")[0]
        in card
    )
    assert "data.train=train.de,train.en\n" in card
    assert str(trained) not in card
    assert "model.width=16\n" in card
    with Image.open(folder / "attention.png") as picture:
        assert min(picture.size) > 100
    assert "attention.png" in card


@needs_ctranslate2
def test_the_folder_is_in_the_run_where_none_is_named_and_is_never_written_over(trained):
    model = package.load(trained)

    made = [
        model.export("ctranslate2"),
        model.export("ctranslate2", quantization="int8"),
    ]

    assert made == [trained / "ctranslate2", trained / "ctranslate2-int8"]
    before = files(trained)
    message = mistake(nmt("export", f"run={trained}", "to=ctranslate2"))
    assert f"{trained}/ctranslate2 is there already" in message
    assert files(trained) == before
    with pytest.raises(UserError, match="is the folder that you are in"), new_folder(Path()):
        pass


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["to=onnx"], ["to=onnx", "choose one of ctranslate2, huggingface"]),
        ([], ["to=ctranslate2 or to=huggingface"]),
        (["to=huggingface", "quantization=int8"], ["to=huggingface quantization=int8", "float32"]),
        (["to=ctranslate2", "quantization=int4"], ["quantization=int4", "float32, int8"]),
        (["to=ctranslate2", "quantisation=int8"], ["quantisation"]),
        (["to=huggingface", f"output={OLD}/format-5"], ["is a run folder"]),
        (["to=huggingface", f"output={OLD}/format-5/config.yaml"], ["is a file"]),
    ],
)
def test_a_mistake_is_named(words, said):
    message = mistake(nmt("export", f"run={OLD}/format-5", *words))

    for one in said:
        assert one in message


@pytest.mark.parametrize("to", TARGETS)
def test_what_a_target_does_not_have_is_refused_before_anything_is_written(to, tmp_path):
    run = OLD / {"ctranslate2": "format-5", "huggingface": "format-1"}[to]
    pytest.importorskip(TARGETS[to].package)

    message = mistake(nmt("export", f"run={run}", f"to={to}", f"output={tmp_path}/new"))

    misfits = {
        "ctranslate2": ["decoder.2.window=local_m", "cross.attention=bahdanau"],
        "huggingface": ["model=rnn"],
    }
    for one in misfits[to]:
        assert one in message
    assert not files(tmp_path)


def test_several_runs_are_refused(trained):
    message = mistake(nmt("export", f"run=[{trained},{trained}]", "to=ctranslate2"))
    assert "an ensemble is not exported" in message
    with pytest.raises(UserError, match="load one of them"):
        package.load([trained, trained]).export("ctranslate2")


def test_a_package_that_is_not_there_is_named(trained, monkeypatch):
    monkeypatch.setattr("nmt.export.export.find_spec", lambda _: None)
    for to, target in TARGETS.items():
        message = mistake(nmt("export", f"run={trained}", f"to={to}"))
        assert f"pip install '{target.requirement}'" in message


@needs_ctranslate2
@pytest.mark.parametrize("wrong", [0.1, np.nan])
def test_a_model_that_computes_something_else_is_not_written(wrong, trained, tmp_path, monkeypatch):
    """As a later version of the other program might."""
    target = TARGETS["ctranslate2"]

    def log_ps(*given):
        return [one + wrong for one in target.log_ps(*given)]

    monkeypatch.setitem(TARGETS, "ctranslate2", target._replace(log_ps=log_ps))

    with pytest.raises(UserError, match="differs from the model"):
        export(trained, "ctranslate2", tmp_path / "new")
    assert not files(tmp_path)


def test_a_run_without_a_test_has_a_card_that_says_so(trained, tmp_path):
    pytest.importorskip("ctranslate2")
    run = tmp_path / "run"
    run.mkdir()
    shutil.copytree(trained / "tokenizer", run / "tokenizer")
    for name in ("config.yaml", "model.safetensors"):
        shutil.copy(trained / name, run / name)

    folder = export(run, "ctranslate2", None).folder

    card = (folder / "README.md").read_text()
    assert "None: the training has not ended, or had no test." in card
    assert "attention.png" not in card
    assert not (folder / "attention.png").exists()


def test_a_card_has_no_folders_of_the_machine():
    found = public({"data.train": "/home/a/x.de,/home/a/x.en", "data.dir": "/home/a", "seed": 1})
    assert found == {"data.train": "x.de,x.en", "data.dir": "a", "seed": 1}
    assert public({"data.name": "/home/a/set", "guide.path": "/home/a/links"}) == {
        "data.name": "set",
        "guide.path": "links",
    }
    assert public({"data.name": "owner/set"}) == {"data.name": "owner/set"}


@needs_ctranslate2
@needs_transformers
def test_the_script_compares_programs(trained, tmp_path, monkeypatch):
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("<!-- agreement -->\n<!-- /agreement -->\n<!-- speed -->\n<!-- /speed -->\n")
    words = ["--rounds", "1", "--threads", "1", "--fill", str(page), "--output", str(figures)]
    monkeypatch.setattr("sys.argv", ["exported.py", str(trained), *words])
    before = torch.get_num_threads()

    exported.main()

    torch.set_num_threads(before)
    found = json.loads(figures.read_text())
    rows = {(row["program"], row["weights"]): row for row in found["agreement"]}
    assert rows["nmt", "float32"]["greedy the same"] == "100.0%"
    for program in ("CTranslate2", "transformers"):
        assert float(rows[program, "float32"]["largest Δ ln P of a sentence"]) < SAME
    assert {one["toolkit"] for one in found["speed"]} == {"nmt", "CTranslate2", "transformers"}
    assert all(one["median"] > 0 for one in found["speed"])
    assert "| nmt | float32 | 100.0% |" in page.read_text()
