#!/usr/bin/env bash
# What helps where text is scarce: the small Transformer on the first pairs of Multi30k, English →
# German, for the same number of updates: plain, with each thing alone, and most of them together.
# In 1,000 updates none of them helps yet (docs/results.md).
#     scripts/little_data.sh <folder with train.en.gz ...> [<folder for the runs> [<updates> [<pairs>]]]
set -eu
data=$(realpath "$1")
runs=${2:-runs/little-data}
updates=${3:-1000}
pairs=${4:-5000}
mkdir -p "$runs/text"
for side in en de; do
    cp "$data"/{val,test_2016_flickr}."$side".gz "$runs/text"
    gunzip -c "$data/train.$side.gz" | sed -n "1,${pairs}p" | gzip > "$runs/text/train.$side.gz"
done
variant() {
    [ -e "$runs/$1/result.json" ] || nmt train experiment=multi30k_transformer \
        data.dir="$runs/text" tokenizer.size=3000 train.max_tokens=2048 train.max_steps="$updates" \
        train.evaluate_every="$((updates / 10))" train.label_smoothing=0 train.keep_last=1 \
        "${@:2}" hydra.run.dir="$runs/$1"
}
variant plain
variant smoothing train.label_smoothing=0.1
variant subword-sampling tokenizer.sample=0.3
variant word-dropout model.word_dropout=0.1
variant average-of-five train.keep_last=5
variant ema train.ema=0.99
variant early-stopping train.patience=3
variant simcut consistency=simcut
variant rdrop consistency=rdrop
variant all train.label_smoothing=0.1 tokenizer.sample=0.3 \
    model.word_dropout=0.1 train.ema=0.99 consistency=rdrop
