#!/usr/bin/env bash
# What helps where text is scarce: the small Transformer on the first pairs of Multi30k, English →
# German, for the same number of updates: plain, with each thing alone, and most of them together.
# A moving average and a mean of checkpoints are held against a learning rate that stays where it is
# ("constant"): where it falls to zero the weights hardly move any more at the end.
#     scripts/little_data.sh <folder with train.en.gz ...> [<folder for the runs> [<updates> [<pairs>]]]
set -eu
data=$(realpath "$1")
runs=${2:-runs/little-data}
updates=${3:-3000}
pairs=${4:-2500}
mkdir -p "$runs/text"
for side in en de; do
    cp "$data"/{val,test_2016_flickr}."$side".gz "$runs/text"
    gunzip -c "$data/train.$side.gz" | sed -n "1,${pairs}p" | gzip > "$runs/text/train.$side.gz"
done
made=()
train() {
    made+=("$runs/$1")
    [ -e "$runs/$1/result.json" ] || nmt train experiment=multi30k_transformer \
        data.dir="$runs/text" tokenizer.size=2000 train.max_tokens=1024 train.max_steps="$updates" \
        train.evaluate_every="$((updates / 10))" train.label_smoothing=0 train.keep_last=1 \
        "${@:2}" hydra.run.dir="$runs/$1"
}
compare() {
    nmt compare "${made[@]}" 'allow=[tokenizer,budget]' output="$runs/comparison-$1"
    made=()
}
adam() {
    train "$1" optimizer=adam optimizer.lr=5e-3 schedule=linear train.ema=null "${@:2}"
}
adam plain
adam word-dropout model.word_dropout=0.1
adam smoothing train.label_smoothing=0.1
adam subword-sampling tokenizer.sample=0.3
adam simcut consistency=simcut
adam rdrop consistency=rdrop
adam constant schedule=constant
adam constant-ema schedule=constant train.ema=0.999
adam constant-average-of-five schedule=constant train.keep_last=5
compare adam

# Muon and a moving average learn sooner, so that what slows learning down can show what it is worth.
train muon
train muon-subword-sampling tokenizer.sample=0.3
train muon-simcut consistency=simcut
train muon-rdrop consistency=rdrop
train muon-all consistency=rdrop tokenizer.sample=0.3 model.word_dropout=0.1 \
    train.label_smoothing=0.1
compare muon
