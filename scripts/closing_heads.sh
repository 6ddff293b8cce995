#!/usr/bin/env bash
# At which price does gate=l0 close heads? A Transformer of two layers on the first 2,500 pairs of
# Multi30k, German → English: without a gate, with several prices, and with gates as slow as weights.
#     scripts/closing_heads.sh <folder with train.de.gz ...> [<folder for the runs> [<updates>]]
set -eu
data=$(realpath "$1")
runs=$(realpath -m "${2:-runs/closing-heads}")
updates=${3:-1200}
mkdir -p "$runs/text"
for side in de en; do
    gunzip -c "$data/train.$side.gz" | sed -n 1,2500p > "$runs/text/train.$side"
    gunzip -c "$data/val.$side.gz" | sed -n 1,300p > "$runs/text/dev.$side"
    gunzip -c "$data/test_2016_flickr.$side.gz" | sed -n 1,300p > "$runs/text/test.$side"
done
files() {
    echo "data.$1=[$runs/text/$1.de,$runs/text/$1.en]"
}
train() {
    [ -e "$runs/$1/result.json" ] || nmt train model=transformer_tiny model.encoder_layers=2 \
        model.decoder_layers=2 model.dropout=0.3 data=files data.source=de data.target=en \
        "$(files train)" "$(files dev)" "$(files test)" tokenizer.size=2000 decode=greedy \
        train.max_tokens=1024 train.max_steps="$updates" train.evaluate_every="$updates" \
        train.heatmaps=0 "${@:2}" hydra.run.dir="$runs/$1"
}
train none
for price in 0.01 0.02 0.05; do
    train "price-$price" gate=l0 gate.weight="$price"
done
train slow gate=l0 gate.weight=0.05 gate.speed=1
train none-seed-2 seed=2
train price-0.01-seed-2 gate=l0 seed=2
