"""Put a trained run into the package as the model that comes with nmt, `run=sample`.

    nmt train experiment=sample hydra.run.dir=runs/to_pack
    python scripts/pack_sample.py runs/to_pack

What is needed to translate is copied, and result.json. Weights are rounded to bf16, so they need
half the bytes. No sentence of the corpus is copied.
"""

import shutil
import sys
from pathlib import Path

import torch
from omegaconf import OmegaConf
from safetensors.torch import save

from nmt.errors import UserError
from nmt.runs.checkpoint import MODEL
from nmt.runs.folder import CONFIG, RESULT, TOKENIZERS, read_config, stored
from nmt.runs.sample import sample_folder
from nmt.runs.tensors import read_tensors, stored_step

COPIED = (RESULT, f"{TOKENIZERS}/source.model", f"{TOKENIZERS}/target.model")


def pack(run: Path, folder: Path) -> None:
    """Write a run's files into a folder. UserError where the run has not ended."""
    config = stored(read_config(run))
    if not (run / RESULT).is_file():
        raise UserError(f"{run} has no {RESULT}: its training has not ended")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / TOKENIZERS).mkdir(parents=True)
    (folder / CONFIG).write_text(OmegaConf.to_yaml(OmegaConf.create(config)), encoding="utf-8")
    for name in COPIED:
        shutil.copyfile(run / name, folder / name)
    tensors = {key: one.to(torch.bfloat16) for key, one in read_tensors(run / MODEL).items()}
    step = {"step": str(stored_step(run / MODEL))}
    (folder / MODEL).write_bytes(save(tensors, step))


if __name__ == "__main__":
    try:
        pack(Path(sys.argv[1]), sample_folder())
    except UserError as error:
        sys.exit(f"pack_sample: {error}")
