#!/usr/bin/env bash
# Back-translation and distillation on Multi30k, German → English, where only the first pairs are known as pairs, as
# docs/recipes.md explains them.
#     scripts/recipes.sh <folder with train.de.gz ...> [<folder for the runs> [<updates> [<pairs> [<captions>]]]]
set -eu
data=$(realpath "$1")
runs=${2:-runs/recipes}
updates=${3:-1000}
pairs=${4:-5000}
captions=${5:-10000} # English ones, whose German side is not looked at
text=$runs/text
mkdir -p "$text"
for side in de en; do
    gunzip -c "$data/train.$side.gz" | sed -n "1,${pairs}p" > "$text/real.$side"
done
gunzip -c "$data/train.en.gz" | sed -n "$((pairs + 1)),$((pairs + captions))p" > "$text/mono.en"
held_out() {
    echo "data.dev=[$data/val.$1.gz,$data/val.$2.gz]" \
        "data.test=[$data/test_2016_flickr.$1.gz,$data/test_2016_flickr.$2.gz]"
}
train() { # NAME SOURCE TARGET WORDS
    [ -e "$runs/$1/result.json" ] || nmt train data=files "data.source=$2" "data.target=$3" $(held_out "$2" "$3") \
        optimizer.lr=4e-3 train.max_steps="$updates" train.evaluate_every="$((updates / 2))" train.heatmaps=0 \
        hydra.run.dir="$runs/$1" "${@:4}"
}
usual="tokenizer.size=2000 model.embedding_width=128 model.encoder_width=128 model.decoder_width=256 model.dropout=0.2"
small="tokenizer.run=$runs/real model.embedding_width=64 model.encoder_width=64 model.decoder_width=128 model.dropout=0.15 decode=greedy"
real="data.train=[$text/real.de,$text/real.en]"

train real de en $usual "$real"

# Back-translation: a model of the other direction writes German for English captions.
train reverse en de $usual "data.train=[$text/real.en,$text/real.de]"
nmt translate run="$runs/reverse" decode=greedy input="$text/mono.en" output="$text/mono.de"
train back de en $usual "$real" "synthetic.files=[$text/mono.de,$text/mono.en]" "synthetic.tag='<bt>'"

# Distillation: a small model learns from what the larger one makes of the same sources.
nmt translate run="$runs/real" input="$text/real.de" output="$text/distilled.en"
updates=$((updates * 3 / 5))
train student de en $small "$real"
train distilled de en $small "data.train=[$text/real.de,$text/distilled.en]"

nmt compare "$runs"/{real,back,student,distilled} baseline=real 'allow=[data,tokenizer,budget]'
