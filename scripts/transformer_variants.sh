#!/usr/bin/env bash
# The small Transformer under every score with softmax, and under every normalizer with the scaled
# dot product, for the same few minutes each, one after the other with the whole machine.
#     scripts/transformer_variants.sh <folder with train.de.gz ...> [<folder for the runs> [<minutes>]]
set -eu
data=$(realpath "$1")
runs=${2:-runs/transformer}
minutes=${3:-5}
variant() {
    nmt train experiment=multi30k model=transformer_tiny data.dir="$data" data.source=de \
        data.target=en optimizer.lr=4e-3 train.max_minutes="$minutes" train.evaluate_every=100000 "$@"
}
for attention in bahdanau luong_dot luong_general luong_concat luong_location scaled_dot cosine; do
    variant attention="$attention" hydra.run.dir="$runs/$attention-softmax"
done
for normalize in sparsemax entmax15 hard; do
    variant normalize="$normalize" hydra.run.dir="$runs/scaled_dot-$normalize"
done
