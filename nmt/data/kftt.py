"""The Kyoto Free Translation Task: Wikipedia articles about Kyoto (Neubig 2011)."""

from dataclasses import dataclass

from nmt.data.hub import Hub
from nmt.data.published import Published


@dataclass
class Kftt(Published):
    """440,000 pairs of Japanese and English; raw text."""

    source: str = "ja"  # language code: ja or en
    target: str = "en"  # language code

    def languages(self) -> tuple[str, ...]:
        return "en", "ja"

    def files(self) -> tuple[str, str, str]:
        return "train", "dev", "test"

    def hub(self) -> Hub:
        # The repository itself is a script, which `datasets` no longer runs; this branch is data.
        return Hub(
            self.source,
            self.target,
            name="may-ohta/kftt",
            folder="en-ja",
            revision="refs/convert/parquet",
        )
