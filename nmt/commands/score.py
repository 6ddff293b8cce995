"""nmt score: how probable a trained model finds given translations."""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import hydra
import torch
from omegaconf import DictConfig, OmegaConf

from nmt.commands.errors import reporting_mistakes
from nmt.commands.evaluate import given_run, run_decode
from nmt.commands.output import require_file, text_file
from nmt.commands.paths import for_shell
from nmt.config import schema
from nmt.config.check import check
from nmt.config.yamls import config_folder
from nmt.decoding.decode import Decode
from nmt.decoding.length import LENGTH_NORMS, LengthNorm
from nmt.evaluation.contrast import accuracy, is_right, read_contrast
from nmt.evaluation.groups import Group, read_candidates, read_pairs, read_tabs
from nmt.evaluation.likelihood import with_perplexity
from nmt.evaluation.score import Score, score_groups
from nmt.report.next_steps import nmt_command, show_next
from nmt.run import Translator, open_run
from nmt.runs.files import finite
from nmt.runs.folder import read_config
from nmt.stages import count
from nmt.terminal.console import console
from nmt.terminal.progress import showing


def main() -> None:
    """Run `nmt score`."""
    schema.register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="score")
@reporting_mistakes
def run(cfg: DictConfig) -> None:
    """Score pairs, lists of candidates or a contrastive test set; print what they say in all."""
    folder = given_run(cfg)
    check(cfg)
    asked: schema.Score = OmegaConf.to_object(cfg)  # type: ignore[assignment]
    trained = read_config(folder)
    read = (asked.source, asked.target, asked.candidates, asked.contrast)
    place = require_file("output", asked.output, read) if asked.output else None
    groups, report = what_is_scored(asked, run_decode(trained))
    with text_file("output", place) as file:
        with showing("opening the model"):
            translator = open_run(folder, asked.device, asked.precision).into(asked.to)
        groups = (asking_group(translator, group, asked.to) for group in groups)
        with showing("scoring"):
            for group, scores in score_groups(translator, groups, asked.max_pieces):
                for row in report(group, scores):
                    text = row.json() if asked.format == "jsonl" else row.text()
                    file.write(f"{text}\n")
                count(group.line)
    console().print(report.summary())
    if asked.format == "text":
        show_next(console(), [nmt_command("score", *for_shell(sys.argv[1:]), "format=jsonl")])


def asking_group(translator: Translator, group: Group, language: str | None) -> Group:
    """Return a group whose source asks for a language, see `Translator.asking`."""
    (source,) = translator.asking([group.source], language)
    return group._replace(source=source)


class Row(NamedTuple):
    """A line of the output: its columns, and what a line of JSON says."""

    columns: Iterable[str]
    content: dict[str, Any]

    def text(self) -> str:
        """Return the columns between tabs."""
        return "\t".join(self.columns)

    def json(self) -> str:
        """Return an object of JSON, on a line."""
        return json.dumps(finite(self.content), ensure_ascii=False, allow_nan=False)


class Report(Protocol):
    """What is written of each group, and what is said of all at the end."""

    def __call__(self, group: Group, scores: list[Score]) -> Iterator[Row]: ...

    def summary(self) -> str: ...


def what_is_scored(asked: schema.Score, decode: Decode) -> tuple[Iterable[Group], Report]:
    """Return the targets to score, and what to write of them; ``decode`` is the run's."""
    if asked.contrast:
        return read_contrast(asked.contrast), Contrast()
    if asked.candidates:
        assert asked.source
        alpha = asked.length_penalty
        norm = LENGTH_NORMS[asked.length_norm or decode.length_norm]
        lp = norm(decode.length_penalty if alpha is None else alpha)
        return read_candidates(asked.source, asked.candidates), Candidates(lp)
    if asked.source and asked.target:
        return read_pairs(asked.source, asked.target), Pairs()
    if sys.stdin.isatty():
        console().print("type a source, a tab and its target per line; Ctrl-D ends", markup=False)
    return read_tabs(None), Pairs()


def described(one: Score) -> dict[str, Any]:
    """Return all that is known of a target, for JSON."""
    return {
        "log_p": one.log_p,
        "log_p_per_piece": one.per_piece,
        "perplexity": one.perplexity,
        "num_pieces": len(one.pieces),
        "pieces": one.pieces,
        "log_p_of_pieces": one.log_ps.tolist(),
    }


class Pairs:
    """Writes one line per input line."""

    def __init__(self) -> None:
        self.lines = self.pieces = 0
        self.log_p = 0.0

    def __call__(self, group: Group, scores: list[Score]) -> Iterator[Row]:
        """Return log P, log P per piece, perplexity and the number of pieces."""
        (one,) = scores
        self.lines += 1
        self.pieces += len(one.pieces)
        self.log_p += one.log_p
        numbers = f"{one.log_p:.4f}", f"{one.per_piece:.4f}", f"{one.perplexity:.6g}"
        yield Row([*numbers, str(len(one.pieces))], {"line": group.line, **described(one)})

    def summary(self) -> str:
        """Return the loss of all lines."""
        found = with_perplexity(-self.log_p / self.pieces)
        return (
            f"{self.lines:,} lines, {self.pieces:,} pieces: loss {found['loss']:.4f} nats per "
            f"piece, perplexity {found['perplexity']:,.2f}"
        )


class Candidates:
    """Sorts the candidates of each line anew, and writes them as `nmt translate n_best=` does.

    A score is log P / lp(Y), as that of a search.
    """

    def __init__(self, lp: LengthNorm) -> None:
        self.lp = lp
        self.lists = self.changed = 0

    def __call__(self, group: Group, scores: list[Score]) -> Iterator[Row]:
        """Return number, rank, score and text of each candidate, the best first."""
        values = [self.score(one) for one in scores]
        order = sorted(range(len(values)), key=lambda place: -values[place])
        self.lists += 1
        self.changed += order[0] != 0
        for rank, place in enumerate(order, start=1):
            text, value = group.targets[place], values[place]
            content = {"line": group.line, "rank": rank, "score": value, "text": text}
            columns = str(group.line), str(rank), f"{value:.4f}", text
            yield Row(columns, content | described(scores[place]))

    def score(self, one: Score) -> float:
        """Return log P / lp(Y)."""
        return one.log_p / float(self.lp(torch.tensor(len(one.pieces))))

    def summary(self) -> str:
        """Return how many lists have another first candidate now."""
        return f"{self.lists:,} lists, {self.changed:,} of them with a new first candidate"


class Contrast:
    """Writes of each line whether the right target is the most probable."""

    def __init__(self) -> None:
        self.lines = self.right = 0

    def __call__(self, group: Group, scores: list[Score]) -> Iterator[Row]:
        """Return 1 or 0, then log P of the right target and of each wrong one."""
        right = is_right(scores)
        self.lines += 1
        self.right += right
        columns = [str(int(right)), *(f"{one.log_p:.4f}" for one in scores)]
        both = zip(group.targets, scores, strict=True)
        targets = [{"text": text, **described(one)} for text, one in both]
        yield Row(columns, {"line": group.line, "right": right, "targets": targets})

    def summary(self) -> str:
        """Return the accuracy with its interval."""
        share, low, high = accuracy(self.right, self.lines)
        return (
            f"accuracy {share:.2%} ({self.right:,} of {self.lines:,}; 95 % interval {low:.2%} to "
            f"{high:.2%})"
        )
