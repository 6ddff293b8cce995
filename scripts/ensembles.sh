#!/usr/bin/env bash
# Three and five seeds of one small RNN that translate together, Multi30k, German → English: the table of
# docs/decoding.md.
#     scripts/ensembles.sh <folder with train.de.gz ...> [<folder for the runs> [<updates>]]
set -eu
data=$(realpath "$1")
runs=${2:-runs/ensembles}
updates=${3:-800}
for seed in 1 2 3 4 5; do
    [ -e "$runs/seed=$seed/result.json" ] || nmt train data=multi30k data.dir="$data" data.source=de \
        data.target=en tokenizer.size=4000 model.embedding_width=128 model.encoder_width=128 \
        model.decoder_width=256 model.dropout=0.2 optimizer.lr=4e-3 train.max_steps="$updates" \
        train.evaluate_every="$updates" train.heatmaps=0 decode=greedy precision=fp32 seed="$seed" \
        hydra.run.dir="$runs/seed=$seed"
done
python "$(dirname "$0")/ensembles.py" "$runs"/seed=? --tests test_2016_flickr test_2017_flickr
