"""Every yaml can be built, and every mistyped word is answered with what there is instead."""

import re
from functools import cache
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml
from choices import CONFIGS, names
from command import files, mistake, nmt
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from nmt.commands import help as help_texts
from nmt.config.check import check
from nmt.config.schema import register_schema
from nmt.config.words import as_choice
from nmt.data.corpus import Corpus
from nmt.errors import UserError
from nmt.experiment.build import build
from nmt.runs.folder import read_config
from nmt.training.ranks import Ranks

STUDIES = ("study", "study_text")  # are of nmt study, see test_study
GROUPS = sorted(
    path.name for path in CONFIGS.iterdir() if path.is_dir() and path.name not in STUDIES
)
LANGUAGES = ["data.source=de", "data.target=en"]
NEEDED = {
    "data=files": LANGUAGES,
    "data=hub": [*LANGUAGES, "data.name=a/b"],
    "data=stream": [*LANGUAGES, "data.name=a/b"],
    "guide=file": ["guide.path=links"],
    "normalize=relu": ["gate=rms"],
    "mix=talking_heads": ["model.heads=2"],
    "window=fixed": ["model.heads=2"],
}
PACKAGES = {"guide=statistical": "eflomal"}  # extras
NEEDED |= {
    f"{group}={name}": ["model=transformer"]
    for group in ("positions", "feed_forward", "residual", "norm")
    for name in names(group)
}


@cache
def composed(*words: str, config: str = "train"):
    """What the words make, which nobody here changes."""
    register_schema()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(config, overrides=list(words))


# Groups whose choices have nothing to do with each other.
APART = [
    ("data", "tokenizer", "schedule", "optimizer", "decode", "consistency"),
    ("attention", "order"),
    ("normalize", "cell", "bridge"),
    ("positions", "feed_forward", "residual", "norm"),
]
ALONE = set(GROUPS) - {group for together in APART for group in together}


def rows(*groups: str) -> list[list[str]]:
    """Each choice of each group, in as few configurations as the largest group has choices."""
    columns = [cycle(names(group)) for group in groups]
    number = max(len(names(group)) for group in groups)
    return [
        [f"{group}={next(column)}" for group, column in zip(groups, columns, strict=True)]
        for _ in range(number)
    ]


EVERY = [
    row for groups in [*APART, *((group,) for group in sorted(ALONE))] for row in rows(*groups)
]


def test_every_choice_is_tried():
    tried = {choice for row in EVERY for choice in row}
    assert tried == {f"{group}={name}" for group in GROUPS for name in names(group)}


@pytest.mark.parametrize("choices", EVERY, ids=" ".join)
def test_every_choice_composes_and_builds(choices):
    for choice in choices:
        if choice in PACKAGES and find_spec(PACKAGES[choice]) is None:
            pytest.skip(f"{PACKAGES[choice]} is not installed")
    needed = dict.fromkeys(word for choice in choices for word in NEEDED.get(choice, []))
    cfg = composed(*choices, *needed, "train.max_steps=1")

    build(cfg, Ranks())

    assert isinstance(instantiate(cfg.data), Corpus)


@pytest.mark.parametrize("config", ["align", "evaluate", "export", "heads", "score", "translate"])
def test_the_other_commands_compose(config):
    needed = ["to=huggingface"] if config == "export" else []
    check(composed("run=somewhere", *needed, config=config))


def test_compare_composes():
    check(composed("folders=[a,b]", "allow=[budget]", "sentences=[3]", config="compare"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("train.stesp=3", ["train.stesp", "mean train.max_steps?", "max_epochs"]),
        ("modle=rnn", ["modle", "mean model?", "optimizer"]),
        ("beam=3", ["beam", "mean decode.beam?"]),
        ("+beam=3", ["beam", "mean decode.beam?"]),
        ("attention=bahdana", ["mean bahdanau?", "luong_dot"]),
        ("optimizer.learning_rate=3", ["no such key. optimizer (torch.optim.Adam) has lr"]),
        ("attntion=luong_dot", ["attntion", "attention"]),
        ("attention.width=3", ["attention.width", "Cosine", "scale"]),
        ("+attention.foo=3", ["attention.foo", "Cosine"]),
        ("++train.foo=3", ["train.foo", "max_steps"]),
        ("attention=bahdanau attention.widht=3", ["attention.widht", "width"]),
        ("data.dir=somewhere", ["data.dir", "Bible", "source_version"]),
        ("attention=nope", ["attention=nope", "bahdanau", "luong_dot"]),
        ("model.cell=nope", ["model.cell=nope", "cell=…"]),
        ("cell=nope", ["cell=nope", "gru", "lstm"]),
        ("train.max_steps=abc", ["train.max_steps", "abc", "Integer"]),
        ("train.max_steps=1,2", ["train.max_steps=1,2", "--multirun"]),
        ("model.dropout=abc", ["model.dropout=abc", "number"]),
        ("model.heads=2.5", ["model.heads=2.5", "whole number"]),
        ("model.width=${nowhere}", ["model.width"]),
        ("optimizer.lr=abc", ["optimizer.lr=abc", "number"]),
        ("optimizer.betas=3", ["optimizer.betas=3", "list"]),
        ("optimizer.betas=[0.9]", ["optimizer"]),
        ("optimizer.lr=-1", ["optimizer", "-1"]),
        ("train.watch=foo", ["train.watch=foo", "bleu, loss"]),
        ("train.average=foo", ["train.average=foo", "best, last"]),
        ("precision=foo", ["precision=foo", "bf16"]),
        ("device=foo", ["device=foo", "cuda"]),
        ("train.max_tokens=0", ["train.max_tokens=0"]),
        ("train.evaluate_every=0", ["train.evaluate_every=0"]),
        ("train.max_steps=null", ["no end", "train.max_minutes"]),
        ("model.dropout=1.5", ["model.dropout=1.5"]),
        ("model.encoder_width=-3", ["model.encoder_width=-3"]),
        ("attention=bahdanau attention.width=0", ["attention.width=0"]),
        ("schedule.warmup=-1", ["schedule.warmup=-1"]),
        ("clean.max_ratio=0", ["clean.max_ratio=0"]),
        ("decode.beam=0", ["decode.beam=0"]),
        ("seed=-1", ["seed=-1"]),
        ("seed=99999999999999999999", ["seed=9999"]),
        ("tokenizer.kind=foo", ["tokenizer.kind=foo", "unigram"]),
        ("tokenizer.joint=false", ["tokenizer.joint", "model.share_embeddings=false"]),
        ("attention=none normalize=hard", ["normalize", "attention=none"]),
        (
            "attention=none model.attention_dropout=0.1",
            ["model.attention_dropout=0.1", "attention=none", "Remove model.attention_dropout"],
        ),
        ("attention=luong_dot model.decoder_width=7", ["7", "luong_general"]),
        ("model.heads=5", ["model.heads=5"]),
        ("positions=rope", ["positions", "RNN", "remove it"]),
        ("model=transformer cell=gru", ["cell", "Transformer", "remove it"]),
        ("model=transformer attention=none", ["attention=none", "model=rnn"]),
        ("model=transformer model.heads=3", ["model.heads=3", "256"]),
        ("model=transformer encoder.attention=nope", ["attention=nope", "cosine"]),
        ("encoder.window=local_m", ["encoder.window", "model.encoder_self_attention=true"]),
        ("encodr.window=local_m", ["encodr", "mean encoder"]),
        ("cross.windo=local_m", ["cross.windo", "mean cross.window?", "normalize"]),
        ("cross.window.radius=3", ["cross.window=…"]),
        ("cross.window=local_m cross.window.radus=3", ["mean cross.window.radius?"]),
        ("cross.heads=many", ["cross.heads=many", "a whole number"]),
        ("cross.head_width=3", ["cross.head_width", "no such key"]),
        ("cross.2.window=local_m", ["cross.2", "layer 1 alone"]),
        ("model=transformer encoder.0.sink=zero", ["encoder.0", "layers 1 to 3"]),
        ("model=transformer decoder.7.sink=zero", ["decoder.7", "layers 1 to 3"]),
        ("model=transformer encoder.1=3", ["encoder.1 is a layer", "encoder.1.window=…"]),
        ("model=transformer encoder.1.heads=2", ["encoder.1.heads", "type encoder.heads=2"]),
        ("model=transformer encoder.positions=alibi", ["whole Transformer", "positions=alibi"]),
        ("model=transformer decoder.2.positions=t5", ["decoder.2.positions:", "positions=t5"]),
        ("model=transformer cross.heads=3", ["cross.1", "heads=3", "256"]),
        ("model=transformer positions=rope decoder.heads=2", ["decoder.head_width=64"]),
        ("model=transformer positions=rope attention=bahdanau", ["positions=rope", "cosine"]),
        ("model=transformer model.cell=3", ["model.cell", "width"]),
        ("model=transfomer", ["model=transfomer", "transformer_tiny"]),
        ("data=hub", ["data.source", "missing"]),
        ("data=files data.source=de data.target=en", ["data.train="]),
        (
            "data=files data.source=de data.target=en data.train=x.tsv",
            ["data.train=x.tsv: must be a list", "'data.train=[x.tsv]'"],
        ),
        ("data.source=cy", ["data.source=cy", "ja"]),
        ("data.source=xx", ["data.source=xx", "not a language code"]),
        ("~optimizer", ["optimizer"]),
        ("~attention", ["attention"]),
        ("experiment=smoke ~data", ["data="]),
        ("consistency=foo", ["consistency=foo", "none, rdrop, simcut"]),
        ("consistency.weight=3", ["consistency.weight", "consistency=…"]),
        ("consistency=rdrop consistency.weight=-1", ["consistency.weight=-1"]),
        ("consistency=rdrop consistency.cutoff=0.1", ["consistency.cutoff", "RDrop", "weight"]),
        (
            "consistency=rdrop model.dropout=0",
            ["consistency=rdrop", "model.dropout", "model.word_dropout", "simcut"],
        ),
        ("consistency=simcut consistency.weight=-1", ["consistency.weight=-1"]),
        ("consistency=simcut consistency.cutoff=1", ["consistency.cutoff=1"]),
        ("decode=3", ["must be a string"]),
        ("word", ["word", "KEY=VALUE"]),
        ("train.watch=[1", ["train.watch=[1"]),
        ("--config-dir nowhere", ["nowhere", "not found"]),
        ("--run --multirun", ["Only one of"]),
        ("hydra.run.dir=/proc/nowhere", ["/proc/nowhere"]),
        ("cross.01.window=full", ["cross.01.window", "01 is not a layer", "cross.1.window"]),
        ("cross.-1.heads=2", ["cross.-1.heads", "-1 is not a layer"]),
        ("cross.window=full cross.window=local_m", ["cross.window is chosen twice"]),
        (
            "-m cross.window=null,local_m",
            ["cross.window=null,local_m", "name the choice of the model"],
        ),
        ("attention=mine.Near", ["attention=mine.Near", "MODULE:CLASS"]),
    ],
)
def test_a_mistake_is_told_in_one_message_and_leaves_nothing(words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    message = mistake(nmt("train", *words.split()))

    assert all(part in message for part in told), message
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "experiment/mine",
            "# @package _global_\ntrain:\n  stesp: 3",
            ["mine.yaml", "train.stesp"],
        ),
        ("experiment/mine", "# @package _global_\nseed: abc", ["mine.yaml", "seed", "abc"]),
        ("experiment/mine", "# @package _global_\nseed: {", ["mine.yaml", "line"]),
        ("experiment/mine", "seed: 3", ["mine.yaml", "# @package _global_"]),
        (
            "experiment/mine",
            "# @package _global_\ndefaults:\n  - override /attention: nope",
            ["attention=nope", "bahdanau"],
        ),
        (
            "attention/mine",
            "_target_: nmt.attention.bahdanau.Bahdanau\n_partial_: true\nwidht: 3",
            ["attention.widht", "width"],
        ),
        ("attention/mine", "_target_: nmt.attention.bahdanau.Bahdanau", ["_partial_: true"]),
        ("attention/mine", "width: 3", ["_target_"]),
        (
            "data/mine",
            "defaults:\n  - /schema/data@_here_: files\n\nsource: no\ntarget: en\ntrain: [no.tsv]",
            ["data.source=False", 'source: "no"'],
        ),
        (
            "data/mine",
            "defaults:\n  - /schema/data@_here_: files\n\nsource: a\ntarget: b\ntrain: x.tsv",
            ["mine.yaml", "in brackets", "[x.tsv]"],
        ),
        ("attention/mine", "_target_: nmt.attention.nowhere.X\n_partial_: true", ["nowhere"]),
    ],
)
def test_mistakes_in_a_users_yaml_are_told_with_its_name(name, text, told, tmp_path):
    path = tmp_path / f"{name}.yaml"
    path.parent.mkdir()
    path.write_text(text)
    choice = name.replace("/", "=")

    message = mistake(nmt("train", "train.max_steps=1", choice, "--config-dir", tmp_path))

    assert all(part in message for part in told), message


def test_a_users_attention_and_experiment_stand_beside_the_built_in_ones(tmp_path):
    for name, text in {
        "attention/mine": "_target_: nmt.attention.bahdanau.Bahdanau\n_partial_: true\nwidth: 3",
        "experiment/own": "# @package _global_\ndefaults:\n  - override /attention: mine\nseed: 7",
    }.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir()
        path.write_text(text)

    answer = nmt(
        "train", "experiment=own", "--config-dir", tmp_path, "train.max_steps=1", "--cfg=job"
    )

    cfg = yaml.safe_load(answer.out)
    assert (cfg["attention"]["width"], cfg["seed"], cfg["train"]["max_steps"]) == (3, 7, 1)


def job(*words: object) -> dict[str, Any]:
    """The configuration that the words make."""
    return yaml.safe_load(nmt("train", *words, "--cfg=job", "--resolve").out)


def test_a_model_brings_parts_that_words_go_before():
    rnn, transformer = job(), job("model=transformer")
    assert rnn["attention"]["_target_"].endswith("Cosine")
    assert rnn["positions"] is None
    assert transformer["attention"]["_target_"].endswith("ScaledDot")
    assert transformer["residual"]["_target_"].endswith("PreNorm")
    assert transformer.get("cell") is None
    assert job("model=transformer_base")["residual"]["_target_"].endswith("PostNorm")
    chosen = job("model=transformer_base", "residual=pre", "attention=cosine", "attention.scale=3")
    assert chosen["residual"]["_target_"].endswith("PreNorm")
    assert chosen["model"]["attention"]["scale"] == 3


def test_a_yaml_names_a_layer_in_quotes(tmp_path):
    path = tmp_path / "experiment" / "mine.yaml"
    path.parent.mkdir()
    words = ["experiment=mine", "model=transformer", "--config-dir", tmp_path]
    path.write_text("# @package _global_\nencoder:\n  2:\n    head_width: 8")
    assert "encoder.2 is a layer" in mistake(nmt("train", *words))
    path.write_text(
        "# @package _global_\ndefaults:\n  - /window@encoder.2.window: local_m\n"
        "encoder:\n  '2':\n    head_width: 8"
    )
    assert job(*words)["model"]["encoder"]["2"].keys() == {"window", "head_width"}
    assert "window@encoder.2.window=…" in mistake(nmt("train", *words, "encoder.2.window=full"))
    cfg = job(*words, "window@encoder.2.window=full")
    assert cfg["encoder"]["2"]["window"]["_target_"].endswith("Full")


EACH = [f"schedule={name}" for name in names("schedule")] + [
    f"optimizer={name}" for name in names("optimizer")
]
TOGETHER = [
    ["schedule=noam", other]
    for other in (
        *("optimizer=muon", "model=transformer_big", "experiment=hops", "experiment=statement"),
        *("experiment=long_sentences", "experiment=multi30k_transformer"),
    )
]


@pytest.mark.parametrize("words", [*([word] for word in EACH), *TOGETHER], ids=" ".join)
def test_a_schedule_and_an_optimizer_bring_a_rate_to_learn_with(words):
    """The highest rate of the run; Adam's is 2e-3 here, Muon's is larger."""
    cfg = composed(*words)
    schedule, steps = instantiate(cfg.schedule), cfg.train.max_steps
    highest = max(schedule(step, step / steps) for step in range(1, steps + 1))
    muon = cfg.optimizer._target_.endswith("Muon")
    assert 4e-4 <= highest * cfg.optimizer.lr <= (1e-2 if muon else 5e-3)


@pytest.mark.parametrize("schedule", names("schedule"))
def test_a_rate_that_is_typed_goes_before(schedule):
    cfg = composed(f"schedule={schedule}", "optimizer.lr=0.7", "train.keep_best=5")
    assert cfg.optimizer.lr == 0.7
    assert cfg.train.keep_best == 5


def test_checkpoints_from_before_the_fall_are_not_averaged():
    assert composed("schedule=wsd").train.keep_best == 1
    assert composed("schedule=linear").train.keep_best == 2


def test_an_experiment_has_what_the_default_run_was_before():
    before = {
        "model.embedding_width": 256,
        "model.encoder_width": 256,
        "model.decoder_width": 512,
        "model.dropout": 0.15,
        "model.attention._target_": "nmt.attention.cosine.Cosine",
        "schedule._target_": "nmt.training.schedule.Linear",
        "schedule.warmup": 200,
        "optimizer.lr": 2e-3,
        "tokenizer.size": 4000,
        "clean.max_pieces": 80,
        "train.max_tokens": 1024,
        "train.max_steps": 4200,
        "train.evaluate_every": 1050,
        "train.keep_best": 2,
    }
    cfg = composed("experiment=bible")

    assert {key: OmegaConf.select(cfg, key) for key in before} == before


def test_noam_is_as_wide_as_the_model():
    assert job("schedule=noam", "model=rnn")["schedule"]["width"] == 256
    assert job("schedule=noam", "model=transformer_base")["schedule"]["width"] == 512


@pytest.mark.parametrize(
    "target",
    ["os.system", "torch.os.system", "torch.optim.optimizer.torch.os.system", "nmt.nope.X"],
)
def test_a_run_folder_cannot_name_what_is_called(target, tmp_path):
    cfg = OmegaConf.to_container(composed("train.max_steps=1"), resolve=True)
    cfg["model"]["_target_"] = target
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(cfg))

    with pytest.raises(UserError, match=re.escape(target)):
        read_config(tmp_path)


def settings(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.])((?:\w+\.)*\w+)=", text))


@pytest.mark.parametrize("command", list(help_texts.COMMANDS))
def test_help_names_keys_that_exist(command):
    told = settings(nmt(command, "--help").out)
    told -= {"resume", "from", "parts", "NAME", "KEY", "GROUP"}
    told -= {"scale", "run"} if command == "check-part" else set()  # of the examples
    if command == "completion":
        configs = []
    elif command == "bench":
        configs = [composed(config="bench")]
    elif command in ("train", "check-part", "show"):
        chosen = ("data=bible", "data=multi30k", "data=files", "model=transformer")
        configs = [composed(one) for one in chosen]
        placed = ("encoder.window=local_m", "cross.2.sink=zero")
        configs.append(composed("model=transformer", *map(as_choice, placed)))
    elif command == "compare":
        configs = [composed(config="compare")]
    elif command == "study":
        configs = [composed("study=golden", config="study")]
    else:
        configs = [composed(config=command), composed(config="translate")]
        configs += [composed(), composed("data=multi30k")]
    known = {key for cfg in configs for key in keys(cfg)} | {"experiment", "hydra.run.dir"}
    known |= {"launcher", "hydra.launcher.n_jobs"}  # hydra/launcher=joblib

    assert told - {"hydra.sweep.dir"} <= known


def keys(cfg) -> set[str]:
    def walk(node, path):
        for key, value in node.items():
            yield f"{path}{key}"
            if isinstance(value, dict):
                yield from walk(value, f"{path}{key}.")

    return set(walk(OmegaConf.to_container(cfg), ""))


def test_help_lists_every_choice_and_marks_the_default():
    answer = nmt("train", "--help")

    assert answer.code == 0
    for group in GROUPS:
        line = re.search(rf"^  {group} +(.*(?:\n {{16}}.*)*)$", answer.out, re.MULTILINE)
        assert line, group
        assert re.sub("[*+]", "", line[1]).split() == names(group)
    assert "cosine*" in answer.out
    assert "scaled_dot+" in answer.out


@pytest.mark.parametrize("command", list(help_texts.COMMANDS))
def test_help_fits_a_terminal_and_can_be_pasted_into_any_shell(command):
    lines = nmt(command, "--help").out.splitlines()

    assert max(map(len, lines)) <= 80
    bare = re.compile(r"""(?:^|\s)(?:\w+\.)*\w+=\[""")  # which zsh takes for a pattern of names
    assert [line for line in lines if bare.search(line)] == []


def test_a_misspelled_command_is_guessed():
    assert "Did you mean train?" in nmt("trian").err


def test_help_names_every_command():
    answer = nmt("--help")

    commands = sorted(path.stem for path in Path(help_texts.__file__).parent.glob("*.py"))
    assert answer.code == 0
    assert all(f"nmt {name}" in answer.out for name in help_texts.COMMANDS)
    assert {name.replace("-", "_") for name in help_texts.COMMANDS} <= set(commands)


@pytest.mark.parametrize(
    "words", [[], ["trian"], ["train", "--foo"], ["train", "--attention=none"]]
)
def test_what_is_no_command_and_no_option_is_a_wrong_usage(words):
    answer = nmt(*words)

    assert answer.code == 2
    assert not answer.out
    assert "--help" in answer.err
    assert all(word.strip("-") in answer.err for word in words)
