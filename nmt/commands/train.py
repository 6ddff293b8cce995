"""nmt train: a new run, several of them, or one that goes on."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from nmt.commands.errors import reporting_mistakes
from nmt.config import config_folder, register_schema
from nmt.errors import UserError
from nmt.experiment import train
from nmt.run import read_config

CHANGEABLE = ("train", "decode", "device", "cache")  # when a run goes on
console = Console(file=sys.stderr, highlight=False, soft_wrap=True)


@reporting_mistakes
def main() -> None:
    """Run `nmt train`."""
    words = sys.argv[1:]
    resumed = [word.removeprefix("resume=") for word in words if word.startswith("resume=")]
    if resumed:
        run = Path(resumed[-1])
        train(resumed_config(run, [w for w in words if not w.startswith("resume=")]), run, console)
    else:
        register_schema()
        new_run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="train")
@reporting_mistakes
def new_run(cfg: DictConfig) -> float:
    """Train in the folder that Hydra made; return the best dev score, for sweepers."""
    return train(cfg, Path(HydraConfig.get().runtime.output_dir), console)


def resumed_config(run: Path, overrides: list[str]) -> DictConfig:
    """Read the configuration of a run that goes on. UserError for a change that it cannot have."""
    cfg = read_config(run)
    for override in overrides:
        if override.split("=")[0].split(".")[0] not in CHANGEABLE:
            raise UserError(
                f"{override} cannot change when a run goes on: {', '.join(CHANGEABLE)} can. "
                "For another experiment start a new run."
            )
    try:
        merged = OmegaConf.merge(cfg, OmegaConf.from_dotlist(overrides))
    except OmegaConfBaseException as error:
        raise UserError(str(error)) from error
    assert isinstance(merged, DictConfig)
    return merged


if __name__ == "__main__":
    main()
