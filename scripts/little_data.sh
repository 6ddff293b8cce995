#!/usr/bin/env bash
# What helps where text is scarce: the small Transformer on Multi30k, English → German, for the same
# number of updates: plain, with each thing alone, and with most of them together.
#     scripts/little_data.sh <folder with train.en.gz ...> [<folder for the runs> [<updates>]]
set -eu
data=$(realpath "$1")
runs=${2:-runs/little-data}
updates=${3:-3000}
variant() {
    nmt train experiment=multi30k_transformer data.dir="$data" \
        train.max_steps="$updates" train.label_smoothing=0 train.keep_last=1 "${@:2}" \
        hydra.run.dir="$runs/$1"
}
variant plain
variant smoothing train.label_smoothing=0.1
variant subword-sampling tokenizer.sample=0.3
variant word-dropout model.word_dropout=0.1
variant average-of-five train.keep_last=5
variant ema train.ema=0.999
variant rdrop consistency=rdrop
variant simcut consistency=simcut
variant early-stopping train.patience=3
variant all train.label_smoothing=0.1 tokenizer.sample=0.3 \
    model.word_dropout=0.1 train.ema=0.999 consistency=rdrop
