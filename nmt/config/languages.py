"""Which languages a configured corpus has."""

from omegaconf import DictConfig, OmegaConf

from nmt.config.schema import CORPORA, target_of
from nmt.data.pairs import Pair
from nmt.errors import UserError


def default_language(data: DictConfig, side: str) -> str | None:
    """Return the language that a kind of corpus has where none is chosen; None: it has none."""
    kinds = (kind for kind in CORPORA.values() if target_of(kind) == data.get("_target_"))
    return getattr(next(kinds, None), side, None)


def without_first_pair(cfg: DictConfig) -> DictConfig:
    """Return a configuration whose ``data.pairs`` can be others: their languages are not chosen."""
    if not cfg.data.get("pairs"):
        return cfg
    usual = {side: default_language(cfg.data, side) for side in ("source", "target")}
    merged = OmegaConf.merge(cfg, {"data": usual})
    assert isinstance(merged, DictConfig)
    return merged


def with_first_pair(cfg: DictConfig) -> DictConfig:
    """Return a configuration whose source and target are those of the first of ``data.pairs``.

    UserError where other ones were chosen.
    """
    if not cfg.data or not cfg.data.get("pairs"):
        return cfg
    first = Pair.of(str(cfg.data.pairs[0]))._asdict()
    for side, language in first.items():
        if cfg.data[side] not in (default_language(cfg.data, side), language):
            raise UserError(
                f"data.{side}={cfg.data[side]}: data.pairs=[{','.join(cfg.data.pairs)}] says both "
                f"languages of each pair: leave data.{side} out"
            )
    merged = OmegaConf.merge(cfg, {"data": first})
    assert isinstance(merged, DictConfig)
    return merged
