"""Exported Transformers in Hugging Face transformers: `import nmt.hf`, then its Auto classes.

    >>> import nmt.hf
    >>> from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    >>> model = AutoModelForSeq2SeqLM.from_pretrained("exported")  # doctest: +SKIP
    >>> tokenizer = AutoTokenizer.from_pretrained("exported")  # doctest: +SKIP

`nmt export run=RUN to=huggingface` writes such a folder. See docs/export.md.
"""

try:
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer
except ModuleNotFoundError as error:
    raise ImportError(
        "nmt.hf needs the PyPI package transformers: pip install 'transformers>=5.24,<6'"
    ) from error

from nmt.hf.config import NmtConfig
from nmt.hf.model import NmtForConditionalGeneration
from nmt.hf.tokenizer import NmtTokenizer

__all__ = ["NmtConfig", "NmtForConditionalGeneration", "NmtTokenizer"]

AutoConfig.register(NmtConfig.model_type, NmtConfig, exist_ok=True)
AutoModelForSeq2SeqLM.register(NmtConfig, NmtForConditionalGeneration, exist_ok=True)
AutoTokenizer.register(NmtConfig, NmtTokenizer, exist_ok=True)
