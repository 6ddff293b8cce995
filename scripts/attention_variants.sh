#!/usr/bin/env bash
# Every attention for the same few minutes, on one thread each, two at a time: BLEU, tokens/s and a
# heatmap of the same sentences.
#     scripts/attention_variants.sh <folder with train.de.gz ...> [<folder for the runs> [<minutes>]]
set -eu
data=$(realpath "$1")
runs=${2:-runs/attention}
minutes=${3:-5}
printf '%s\n' none bahdanau luong_dot luong_general luong_concat luong_location scaled_dot cosine |
    OMP_NUM_THREADS=1 xargs -P 2 -I{} nmt train experiment=multi30k data.dir="$data" \
        data.source=de data.target=en attention={} train.max_minutes="$minutes" \
        train.evaluate_every=100000 hydra.run.dir="$runs/{}"
