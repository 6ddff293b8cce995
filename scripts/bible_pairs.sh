#!/usr/bin/env bash
# experiment=bible, and the same from Japanese and Korean.
#     scripts/bible_pairs.sh [<folder for the runs>]
set -eu
runs=${1:-runs/bible}
for source in de ja ko; do
    nmt train experiment=bible data.source="$source" hydra.run.dir="$runs/$source-en"
done
