"""A trained model in Python: translate, score, look at its attention."""

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, overload

from nmt.api.attention import Attention, of_weights
from nmt.api.undisturbed import undisturbed
from nmt.commands.evaluate import run_decode
from nmt.commands.last import is_last, names_sample, newest
from nmt.comparison.runs import run_folders
from nmt.config.own import PARTS, name_modules
from nmt.config.schema import changed
from nmt.config.suggestion import did_you_mean, similar
from nmt.decoding.decode import Decode
from nmt.decoding.translate import Translation as Found
from nmt.errors import UserError, one_of
from nmt.evaluation import weights
from nmt.evaluation.score import Score, score
from nmt.models.contributions import MEASURES
from nmt.run import Translator, open_runs
from nmt.runs.folder import read_config, stored_config
from nmt.runs.sample import sample_folder

Place = str | os.PathLike[str]
Texts = list[str] | tuple[str, ...]
SETTINGS = [one.name for one in fields(Decode)]


@dataclass(frozen=True)
class Translation:
    """A translation of one sentence. ``str(translation)`` is its text.

    ``pieces`` are those found by the search, ``score`` is log P(Y|X) / lp(Y), with
    ``method="mbr"`` the expected utility; ``alternatives`` are the other translations, the best
    one first, samples unsorted.
    """

    text: str
    pieces: list[str]
    score: float
    source: str
    alternatives: list["Translation"] = field(default_factory=list, repr=False)
    _ids: list[int] = field(default_factory=list, repr=False)
    _model: "Model | None" = field(default=None, repr=False, compare=False)
    _max_source: int = field(default=0, repr=False)  # pieces of the source that were read

    @property
    def attention(self) -> Attention:
        """Where the model looked when it wrote this; computed each time it is asked for.

        UserError for a model without attention.
        """
        assert self._model
        return self._model._attention_of(self)

    def __str__(self) -> str:
        return self.text


class Model:
    """A trained model with its tokenizers; see :func:`nmt.load`.

    Attributes:
        path: the run folder, of several the first.
        paths: all of them.
        translator: what the commands use, a :class:`nmt.run.Translator`; ``translator.model`` is
            the torch module.
        decode: how it searches, unless a call says otherwise.
    """

    def __init__(
        self, path: Path, translator: Translator, decode: Decode, others: Sequence[Path] = ()
    ) -> None:
        self.path = path
        self.paths = [path, *others]
        self.translator = translator
        self.decode = decode

    @property
    def name(self) -> str:
        """The name of the run folder, or of all of them."""
        return " + ".join(path.resolve().name for path in self.paths)

    @property
    def config(self) -> dict[str, Any]:
        """The whole configuration of the run."""
        return stored_config(self.path)

    def __repr__(self) -> str:
        return f"<nmt.Model {self.translator.languages}, {' + '.join(map(str, self.paths))}>"

    @overload
    def translate(
        self, text: str, *, prefix: str | None = None, to: str | None = None, **settings: Any
    ) -> str: ...
    @overload
    def translate(
        self, text: Texts, *, prefix: Texts | None = None, to: str | None = None, **settings: Any
    ) -> list[str]: ...
    def translate(
        self,
        text: str | Texts,
        *,
        prefix: str | Texts | None = None,
        to: str | None = None,
        **settings: Any,
    ) -> str | list[str]:
        """Translate a sentence or a list of sentences; the result has the same form.

        Args:
            text: one sentence per string.
            prefix: the forced beginning of the translation; for a list of sentences a list, with an
                empty string for a free translation.
            to: the language, of a model that was trained with ``data.pairs``.
            settings: of the search, such as ``beam=1``, by the names of :class:`Decode`. For
                several translations per sentence call the model: ``model(text, n_best=5)``.

        Raises:
            UserError: for a setting that does not exist, and for other things than strings.

        >>> model.translate("kato akvo") == model.translate(["kato akvo"])[0]
        True
        >>> model.translate("kato akvo", prefix="two").startswith("two")
        True
        """
        lines, prefixes, single = as_begun(text, prefix)
        best = {**settings, "n_best": settings.get("n_best", 1)}
        found = self._search(self._asking(lines, to), best, prefixes, to)
        texts = [one[0].text for one in found]
        return texts[0] if single else texts

    @overload
    def __call__(
        self, text: str, *, prefix: str | None = None, to: str | None = None, **settings: Any
    ) -> Translation: ...
    @overload
    def __call__(
        self, text: Texts, *, prefix: Texts | None = None, to: str | None = None, **settings: Any
    ) -> list[Translation]: ...
    def __call__(
        self,
        text: str | Texts,
        *,
        prefix: str | Texts | None = None,
        to: str | None = None,
        **settings: Any,
    ) -> Translation | list[Translation]:
        """Translate as :meth:`translate`, and return all that is known of each translation.

        With ``n_best`` each has its ``alternatives``: fewer where the beam found the same text
        several times.

        >>> translation = model("kato akvo", beam=4, n_best=3)
        >>> translation.score >= translation.alternatives[0].score
        True
        """
        lines, prefixes, single = as_begun(text, prefix)
        lines = self._asking(lines, to)
        found = self._search(lines, settings, prefixes, to)
        read = changed(self.decode, settings).max_source
        made = [self._translation(*one, read) for one in zip(lines, found, strict=True)]
        return made[0] if single else made

    @overload
    def score(self, source: str, target: str, *, to: str | None = None) -> Score: ...
    @overload
    def score(self, source: Texts, target: Texts, *, to: str | None = None) -> list[Score]: ...
    def score(
        self, source: str | Texts, target: str | Texts, *, to: str | None = None
    ) -> Score | list[Score]:
        """Return how probable the model finds a target, given its source; see :class:`nmt.Score`.

        ``to`` as in :meth:`translate`. UserError where the numbers of sources and targets differ,
        and for a sentence that is too long.

        >>> found = model.score("kato akvo", "the cat")
        >>> round(found.log_p, 3) == round(float(found.log_ps.sum()), 3)
        True
        """
        sources, targets, single = as_pairs(source, target)
        with undisturbed():
            found = score(self.translator, self._asking(sources, to), targets)
        return found[0] if single else found

    @overload
    def attention(
        self, source: str, target: str | None = None, *, of: str = "weights", to: str | None = None
    ) -> Attention: ...
    @overload
    def attention(
        self,
        source: Texts,
        target: Texts | None = None,
        *,
        of: str = "weights",
        to: str | None = None,
    ) -> list[Attention]: ...
    def attention(
        self,
        source: str | Texts,
        target: str | Texts | None = None,
        *,
        of: str = "weights",
        to: str | None = None,
    ) -> Attention | list[Attention]:
        """Return where the model looks when it writes a target; None: its own translation.

        With ``of="norms"`` it has the norm of what each key added, with ``of="gradients"`` gradient
        times input (``cross`` alone, one layer and one head). ``to`` as in :meth:`translate`; its
        piece is the first of the source. UserError for a model without attention, for several that
        translate together, for a sentence that is too long, and for another ``of``.

        >>> model.attention("kato akvo", "the cat").target[-1]
        '</s>'
        """
        self._require_one()
        one_of(tuple(MEASURES), {"of": of})
        if target is None:
            lines, single = as_lines(source)
            lines = self._asking(lines, to)
            made = zip(lines, self._search(lines, {}, None, to), strict=True)
            read = self.decode.max_source
            found = [self._attention_of(self._translation(*one, read), of) for one in made]
        else:
            sources, targets, single = as_pairs(source, target)
            with undisturbed():
                forced = weights.given(self.translator, self._asking(sources, to), targets)
                held = weights.weights_of(self.translator, forced, of)
                found = [of_weights(one) for one in held]
        return found[0] if single else found

    def export(
        self, to: str, output: Place | None = None, *, quantization: str = "float32"
    ) -> Path:
        """Write the model as a folder for another program, and return the folder.

        Args:
            to: ``"ctranslate2"`` or ``"huggingface"``.
            output: a new folder; None: one named for the program, in the run folder.
            quantization: of the weights, for CTranslate2 also ``"int8"``.

        Raises:
            UserError: for what the program cannot express, by name; where its package is not
                installed, for a folder that is there, and for several models.

        >>> model.export("ctranslate2", "exported")  # doctest: +SKIP
        PosixPath('exported')
        """
        from nmt.commands.output import require_folder
        from nmt.export.export import export

        if self.translator.together:
            raise UserError(f"{self.name} translate together: load one of them to export it")
        place = None if output is None else require_folder("output", os.fspath(output))
        with undisturbed():
            return export(self.path, to, place, quantization).folder

    def _asking(self, lines: list[str], to: str | None) -> list[str]:
        """Return sources that ask for a language. UserError for one that is not written here."""
        return list(self.translator.into(to).asking(lines, to))

    def _search(
        self,
        lines: list[str],
        settings: dict[str, Any],
        prefixes: list[str] | None,
        to: str | None,
    ) -> list[list[Found]]:
        for key in settings:
            if key not in SETTINGS:
                meant = did_you_mean(similar(key, SETTINGS))
                raise UserError(
                    f"{key}: no such setting.{meant} Choose one of {', '.join(SETTINGS)}"
                )
        decode = changed(self.decode, settings)
        with undisturbed():
            return self.translator.into(to)(lines, decode, prefixes)

    def _translation(self, line: str, found: list[Found], read: int) -> Translation:
        pieces = self.translator.target_tokenizer.pieces
        best, *others = [
            Translation(one.text, pieces(one.ids), one.score, line, [], one.ids, self, read)
            for one in found
        ]
        return replace(best, alternatives=others)

    def _require_one(self) -> None:
        if self.translator.together:
            raise UserError(
                f"{self.name} translate together, but each has its own attention: load one"
            )

    def _attention_of(self, made: Translation, of: str = "weights") -> Attention:
        self._require_one()
        found = Found(made.text, made._ids, made.score)
        with undisturbed():
            forced = weights.found(self.translator, 1, made.source, found, made._max_source)
            (held,) = weights.weights_of(self.translator, [forced], of)
        return of_weights(held)


def load(
    run: Place | Sequence[Place],
    *,
    device: str = "auto",
    precision: str = "auto",
    parts: Sequence[str] = (),
    mean: str | None = None,
) -> Model:
    """Load the final model of a run, or its best checkpoint during training.

    Args:
        run: a run folder, an :class:`nmt.Run`, ``"last"``: the newest below ``runs/``, or
            ``"sample"``: the small German-English model that comes with nmt. A list of them
            translates together: an ensemble, which searches as its first run does.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"``: the precision of products.
        parts: modules of your own that the model is made of, which are imported.
        mean: of the probabilities of several runs: ``"arithmetic"`` (None, too) or ``"geometric"``.

    Raises:
        UserError: for a folder that is not a run, for one that is damaged, and for runs of
            different vocabularies.

    >>> model = nmt.load("runs/my-run")  # doctest: +SKIP
    """
    with undisturbed():
        name_modules([PARTS + ",".join(parts)] if parts else [])
        if isinstance(run, (list, tuple)):
            paths = [place_of(one) for one in run]
        else:
            paths = [place_of(run)]  # type: ignore[arg-type]
        if not paths:
            raise UserError("nmt.load([]): name at least one run folder")
        translator = open_runs(paths, device, precision, mean)
        return Model(paths[0], translator, run_decode(read_config(paths[0])), paths[1:])


def place_of(run: Place) -> Path:
    """Return the folder of a run; of ``"last"`` the newest, of ``"sample"`` the package's."""
    word = os.fspath(run)
    if names_sample(str(word)):
        return sample_folder()
    return newest(f'nmt.load("{word}")') if is_last(str(word)) else Path(word)


def load_all(folder: Place, **settings: Any) -> list[Model]:
    """Load every run in and below a folder, in the order of names with numbers in them.

    ``settings`` are those of :func:`load`. A run that cannot be loaded is skipped with a warning.
    UserError if none can be loaded.
    """
    with undisturbed():
        places = run_folders(Path(folder))
    if not places:
        raise UserError(f"{folder} has no runs. nmt.train(…) makes one")
    found: list[Model] = []
    for place in places:
        try:
            found.append(load(place, **settings))
        except UserError as error:
            warnings.warn(f"{place} is ignored: {error}", stacklevel=2)
    if not found:
        raise UserError(f"{folder}: none of its {len(places)} runs can be loaded")
    return found


def as_lines(text: str | Texts, name: str = "text") -> tuple[list[str], bool]:
    """Return sentences, and whether the input was a single one. UserError for other types."""
    if isinstance(text, str):
        return [text], True
    lines: list[Any] = list(text) if isinstance(text, Iterable) else [text]
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, str):
            raise UserError(
                f"{name} {number} is a {type(line).__name__}: pass a string, or a list of strings"
            )
    return lines, False


def as_begun(
    text: str | Texts, prefix: str | Texts | None
) -> tuple[list[str], list[str] | None, bool]:
    """Return sentences and the prefixes of their translations, and whether the input was single."""
    if prefix is not None:
        return as_pairs(text, prefix, ("text", "prefix"))
    lines, single = as_lines(text)
    return lines, None, single


def as_pairs(
    source: str | Texts, target: str | Texts, names: tuple[str, str] = ("source", "target")
) -> tuple[list[str], list[str], bool]:
    """Return sources and targets, and whether there was a single pair."""
    sources, single = as_lines(source, names[0])
    targets, single_target = as_lines(target, names[1])
    if single != single_target:
        raise UserError(f"{' and '.join(names)}: pass two strings, or two lists, not one of each")
    if len(sources) != len(targets):
        raise UserError(
            f"{names[0]} has {len(sources)} strings, but {names[1]} has {len(targets)}: both "
            "lists need the same length"
        )
    return sources, targets, single
