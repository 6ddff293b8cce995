"""The settings of every variant of a study, written down once, so that no later default changes it.

``NAME.pinned.yaml`` lies beside the ledger. It has each variant's configuration in full, as a run
folder has, and the arguments that it was composed of.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from nmt.config.study import Study
from nmt.config.words import as_choice
from nmt.errors import UserError
from nmt.runs.files import write
from nmt.runs.folder import as_config, of_file, stored
from nmt.runs.foreign import read_yaml, without_format
from nmt.runs.lifting import FORMAT

LIMITS = ("max_steps", "max_epochs", "max_minutes", "patience")  # a study counts pieces instead
LARGEST = 2**22  # bytes of a file; a variant has five thousand
UNPINNED = ("seed", "cache", "device", "threads", "products")  # of a job, or of a machine


@dataclass(frozen=True)
class Pins:
    """What was written down: the study itself, the base's settings, and each variant's by name."""

    path: Path
    study: Study
    base: dict[str, Any]
    variants: dict[str, dict[str, Any]]
    digests: dict[str, str]  # a fingerprint of each variant's settings, as they were first pinned

    @classmethod
    def read(cls, path: Path) -> "Pins":
        """Read the pins of a study. UserError where they are not there, or are something else."""
        if not path.is_file():
            raise UserError(f"{path} is missing: `nmt study` writes it beside the ledger")
        content = read_yaml(path, LARGEST)
        with of_file(path):
            study = OmegaConf.merge(OmegaConf.structured(Study), content.get("study", {}))
            typed: Study = OmegaConf.to_object(study)  # type: ignore[assignment]
            typed.check()
        base, variants, digests = pinned_before(content, path)
        return cls(path, typed, base, variants, digests)

    def config(self, variant: str) -> DictConfig:
        """Return a variant's configuration. UserError where it cannot be used."""
        return as_config(self.variants[variant], self.path)


def pinned_before(
    content: dict[str, Any], path: Path
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Return the base, the variants and their digests of a file, in this nmt's format."""
    number = content.get("format", 0)
    variants = content.get("variants", {})
    digests = {name: digest(settings) for name, settings in variants.items()}
    base, *others = (
        pinnable(without_format({"format": number, **settings}, path))
        for settings in (content.get("base", {}), *variants.values())
    )
    return base, dict(zip(variants, others, strict=True)), digests | content.get("digests", {})


def digest(settings: dict[str, Any]) -> str:
    """Return a fingerprint of settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def pinned(study: Study, path: Path) -> Pins:
    """Read the pins of a study; what is not there yet is composed and written.

    UserError where the study has other arguments than those that were pinned, and where a variant
    cannot be composed.
    """
    before = read_yaml(path, LARGEST) if path.is_file() else {}
    typed = arguments(study)
    refuse_changes(path, before.get("arguments", {}), typed)
    base, variants, digests = pinned_before(before, path)
    base = base or composed(typed["base"])
    new = [name for name in study.variants if name not in variants]
    now = composed(typed["base"]) if new else {}
    for name in new:
        settings = composed([*typed["base"], *study.variants[name]])
        variants[name] = transplanted(base, now, settings)
        digests[name] = digest(variants[name])
    kept = {**before.get("arguments", {}).get("variants", {}), **typed["variants"]}
    content = {
        "format": FORMAT,
        "study": asdict(study),
        "arguments": {"base": typed["base"], "variants": kept},
        "digests": digests,
        "base": base,
        "variants": variants,
    }
    if content != before:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, OmegaConf.to_yaml(OmegaConf.create(content)))
    return Pins.read(path)


def arguments(study: Study) -> dict[str, Any]:
    """Return what is composed: the arguments of the base with its budget, and of the variants."""
    ends = [f"train.{key}=null" for key in LIMITS]
    base = [*study.base, *ends, f"train.max_pieces={study.pieces}"]
    return {"base": base, "variants": dict(study.variants)}


def refuse_changes(path: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise UserError where what was pinned is composed of other arguments now."""
    if not before:
        return
    way_out = f"Give the study another name, or remove {path} and its ledger to start over"
    if before.get("base") != now["base"]:
        raise UserError(
            f"{path} was made with {' '.join(before.get('base', []))}, but the study now has "
            f"{' '.join(now['base'])}. {way_out}"
        )
    for name, typed in now["variants"].items():
        old = before.get("variants", {}).get(name, typed)
        if old != typed:
            raise UserError(
                f"{path} has {name} with {' '.join(old)}, but the study now has "
                f"{' '.join(typed)}. {way_out}"
            )


def composed(typed: list[str]) -> dict[str, Any]:
    """Compose a training's configuration, as a run folder has it, but for what is not pinned."""
    cfg = hydra.compose("train", [as_choice(word) for word in typed])
    return pinnable(stored(cfg))


def pinnable(content: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without what is not pinned."""
    return {key: value for key, value in content.items() if key not in (*UNPINNED, "format")}


def transplanted(pinned: Any, before: Any, after: Any) -> Any:
    """Make the change from ``before`` to ``after`` in what was pinned.

    So a variant that joins a study differs from the others in its own arguments alone, even where
    defaults have changed since.
    """
    nodes = all(isinstance(one, dict) for one in (pinned, before, after))
    if not nodes or before.get("_target_") != after.get("_target_"):
        return pinned if before == after else after
    return {
        key: transplanted(pinned.get(key), before.get(key), value)
        for key, value in after.items()
        if key in pinned or before.get(key) != value  # what is newer than the pins has its default
    }
