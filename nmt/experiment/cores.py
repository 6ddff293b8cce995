"""How a training uses a CPU: its threads, and who multiplies. Both are fixed when it begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nmt.hardware.products import multiplied_by
from nmt.hardware.runtime import pick_device, threads
from nmt.runs.folder import CONFIG, stored_config


@contextmanager
def fixed_cores(cfg: DictConfig, run: Path | None = None) -> Iterator[DictConfig]:
    """Compute inside the block with the threads and the products of a configuration.

    The configuration that it gives names both, so that a run can be resumed and repeated with sums
    in the same order. What is left open is taken from the ``run`` folder, if training has begun
    there, else from this machine. On a GPU nothing is fixed. UserError for what cannot be used.
    """
    if pick_device(cfg.device).type != "cpu":
        yield cfg
        return
    begun: dict[str, Any] = stored_config(run) if run and (run / CONFIG).is_file() else {}
    number = begun.get("threads") if cfg.threads is None else cfg.threads
    name = begun.get("products", "auto") if cfg.products == "auto" else cfg.products
    with threads(number) as number, multiplied_by(name) as name:
        fixed = OmegaConf.merge(cfg, {"threads": number, "products": name})
        assert isinstance(fixed, DictConfig)
        yield fixed
