"""Multi30k: image captions in English with human translations (Elliott et al. 2016, 2017)."""

from dataclasses import dataclass

from nmt.data.hub import Hub
from nmt.data.published import Published
from nmt.errors import UserError

HUB_TEST = "test_2016_flickr"  # the test set of both copies on the hub


@dataclass
class Multi30k(Published):
    """29,000 pairs of two of the languages English, German and French; raw text."""

    source: str = "de"  # language code: en, de or fr
    target: str = "en"  # language code
    test: str = HUB_TEST  # the test set's file in the folder

    def languages(self) -> tuple[str, ...]:
        return "de", "en", "fr"

    def files(self) -> tuple[str, str, str]:
        return "train", "val", self.test

    def hub(self) -> Hub:
        if self.test != HUB_TEST:
            raise UserError(
                f"data.test={self.test}: the hub's copy of Multi30k has only {HUB_TEST}; for "
                "another test set pass data.dir=, a folder with its files"
            )
        if "fr" in (self.source, self.target):
            # The copy that has French has the pictures too: 10 GB, of which the text is streamed.
            return Hub(self.source, self.target, name="romrawinjp/multi30k", stream=True)
        return Hub(self.source, self.target, name="bentrevett/multi30k")
