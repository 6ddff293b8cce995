"""The table that joins the ledgers of both models, from small ledgers that are made up."""

import json
from pathlib import Path

import attention_family
import numpy as np
from attention_family import HEADER, MEASURES, joint

from nmt.runs.files import write
from nmt.runs.lifting import FORMAT
from nmt.study.findings import Findings
from nmt.study.ledger import Ledger
from nmt.study.pins import digest


def findings(
    folder: Path, name: str, base: list[str], variants: dict[str, list[str]], gain: float, **more
) -> Findings:
    """A study whose runs have 10 BLEU more from variant to variant; `gain` came at the end."""
    first, *_ = variants
    study = {
        "base": base,
        "pieces": 1000,
        "variants": variants,
        "baseline": first,
        "seeds": [1],
        "tests": {"test": None},
        "sentences": [["Ein Hund", "A dog"]],
        "links": ["0-0 1-1"],
    }
    settings = {"data": {"source": "de", "target": "en"}}
    pins = {"format": FORMAT, "study": study | more, "variants": dict.fromkeys(variants, settings)}
    write(folder / f"{name}.pinned.yaml", json.dumps(pins))
    ledger = Ledger(folder, name)
    for number, variant in enumerate(variants, 1):
        scores = {"bleu": 10.0 * number, "chrf": 1.0, "loss": 2.0, "rep": 0.5}
        content = {
            "variant": variant,
            "seed": 1,
            "pinned": digest(settings),
            "arrays": variant,
            "model": "any",
            "steps": 8,
            "pieces": more.get("pieces", 1000),
            "best_dev_bleu": 20.0 + gain,
            "dev": [{"step": 6, "dev/bleu": 20.0}, {"step": 8, "dev/bleu": 20.0 + gain}],
            "tests": {"test": {"fingerprint": "x", **scores}},
            "machine": {},
            "attention": {"source-target": {"entropy": 0.5, "zeros": 0.25, "no_key": 0.125}},
        }
        if "sigmoid" in variant:
            del content["attention"]["source-target"]["no_key"]
        ledger.add(content, looks())
    return Findings.of(ledger)


def looks() -> dict[str, np.ndarray]:
    """Where a run looks: the second word at the first, so that one of two links is found."""
    sides = {"source": ["▁Ein", "▁Hund", "</s>"], "target": ["▁A", "▁dog", "</s>"]}
    weights = np.zeros((1, 1, 3, 3))
    weights[..., 0] = 1.0
    pieces = {f"pieces/0/{side}": np.array(one) for side, one in sides.items()}
    return {"attention/0/source-target": weights, **pieces}


def rows_of(parts: list[str]) -> list[dict[str, str]]:
    (table,) = (part for part in parts if part.startswith("| score"))
    header, _, *lines = [line[2:-2].split(" | ") for line in table.strip().splitlines()]
    return [dict(zip(header, [c.strip() for c in line], strict=True)) for line in lines]


def test_a_kind_that_both_models_have_is_one_row(tmp_path):
    rnn = findings(
        tmp_path,
        "family_rnn",
        ["attention=scaled_dot"],
        {"plain": [], "relu": ["normalize=relu", "gate=rms"], "a_sigmoid": ["normalize=sigmoid"]},
        gain=0.0,
    )
    transformer = findings(
        tmp_path,
        "family_transformer",
        ["positions=rope"],
        {"same": [], "other": ["gate=rms", "normalize=relu"], "copy": ["model.copy=true"]},
        gain=1.5,
    )
    older = findings(tmp_path, "multi30k_rnn", [], {"b": ["attention=bahdanau"]}, gain=0.0)
    costs = tmp_path / "cost.json"
    write(costs, json.dumps({"model.copy=true": {"ratio": 1.25}, "normalize=relu": {"ratio": 9}}))
    assert joint([older], costs) == [], "no family study has a run"

    title, told, *rest = joint([rnn, transformer, older], costs)

    assert title == f"## {attention_family.TITLE}\n"
    assert "not converged: in the last quarter of training dev BLEU still rose by 1.50 (Tr" in told
    assert "RNN" not in told
    rows = rows_of(rest)
    assert len(rows) == 4
    assert list(rows[0]) == [
        *HEADER,
        *(f"{model} {name}" for model in ("RNN", "Transformer") for name in MEASURES),
        "cost",
    ]
    by_kind = {tuple(row[name] for name in HEADER): row for row in rows}
    both = by_kind["scaled_dot", "relu", "none", "rms", ""]
    assert (both["RNN BLEU"], both["Transformer BLEU"], both["cost"]) == ("20.00", "20.00", "")
    plain_row = by_kind["scaled_dot", "softmax", "none", "none", ""]
    assert (plain_row["RNN BLEU"], plain_row["cost"]) == ("10.00", "1")
    copy = by_kind["scaled_dot", "softmax", "none", "none", "model.copy=true"]
    assert (copy["RNN BLEU"], copy["Transformer BLEU"], copy["cost"]) == ("", "30.00", "1.25")
    sigmoid = by_kind["scaled_dot", "sigmoid", "none", "none", ""]
    assert [sigmoid[f"RNN {name}"] for name in MEASURES[1:]] == [
        "2.000",
        "0.50",
        "0.50",
        "0.25",
        "",
        "0.50",
    ]
