#!/usr/bin/env bash
# Both Multi30k experiments of docs/results.md.
#     scripts/multi30k.sh <folder with train.de.gz ...> [<folder for the runs>]
set -eu
data=$(realpath "$1")
runs=${2:-runs/multi30k}
nmt train experiment=multi30k data.dir="$data" data.source=de data.target=en \
    hydra.run.dir="$runs/de-en"
nmt train experiment=multi30k_en_de data.dir="$data" \
    hydra.run.dir="$runs/en-de"
