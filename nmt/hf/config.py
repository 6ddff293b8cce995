"""What config.json of an exported model says."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from transformers import PreTrainedConfig

from nmt.config.check import check
from nmt.data.tokenizer import BOS, EOS, PAD
from nmt.errors import UserError
from nmt.runs.foreign import without_format


class NmtConfig(PreTrainedConfig):
    """A Transformer of nmt, for transformers.

    ``run`` holds the settings that make the model, with the number of their format, as config.yaml
    of a run folder has them. The others are what transformers asks for.
    """

    model_type = "nmt"

    run: dict[str, Any] | None = None
    source_vocab_size: int = 0
    vocab_size: int = 0  # of the target
    hidden_size: int = 0
    num_hidden_layers: int = 0  # of the decoder
    num_attention_heads: int = 0
    is_encoder_decoder: bool = True
    pad_token_id: int | None = PAD
    bos_token_id: int | None = BOS
    eos_token_id: int | list[int] | None = EOS
    decoder_start_token_id: int | None = BOS
    tie_word_embeddings: bool = True  # as far as `run` says; see NmtForConditionalGeneration

    @property
    def parts(self) -> DictConfig:
        """The settings of the model, of an older nmt too.

        Its classes may come from anywhere, so they are held to those that may be part of a model.
        UserError for others, and where there are none.
        """
        if not self.run:
            raise UserError("config.json has no `run`: it is not that of `nmt export`")
        found = OmegaConf.create(without_format(dict(self.run), Path("config.json")))
        assert isinstance(found, DictConfig)
        check(found)
        return found
