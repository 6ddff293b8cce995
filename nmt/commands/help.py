"""The help texts. They appear at once, because nothing large is imported for them."""

from functools import cache
from pathlib import Path
from textwrap import fill

import yaml

from nmt.config.own import offered_for
from nmt.config.yamls import config_folder

OVERVIEW = """\
nmt trains, compares and explains attention in neural machine translation.

Commands:
  nmt train       train a model on a corpus, evaluate it, draw its attention
  nmt translate   translate text with a trained model
  nmt evaluate    score a trained model on a test set
  nmt score       log P of given translations under a trained model
  nmt heads       what a trained model loses without each of its heads
  nmt align       word alignments from a trained model's attention
  nmt compare     which of several trained variants is better, how certainly
  nmt explore     an interactive page of a model's attention
  nmt export      a folder of a trained model for CTranslate2 or transformers
  nmt bench       how fast a configuration trains and translates here
  nmt study       many runs that answer one question, and their results
  nmt check-part  test your own score, normalizer or other part
  nmt show        explain a choice: formula, paper, settings, parameters
  nmt completion  choices, keys and runs at the Tab key: bash, zsh, fish

Getting started:
  echo "Am Anfang war das Wort." | nmt translate run=sample heatmap=pictures
                  text in, text out, and a picture of where the model looked;
                  the small model `sample` comes with nmt
  nmt train experiment=smoke
                  everything once, in seconds
  nmt train       German to English on the Bible, in 5 to 12 minutes on two
                  cores, with the installation
  nmt train attention=bahdanau seed=2
                  each argument changes one thing
  nmt translate run=last
                  with the newest model
  nmt COMMAND --help
                  the arguments of a command"""

TRAIN = """\
nmt train [NAME=CHOICE ...] [KEY=VALUE ...] [OPTION ...]

Trains a model, evaluates it on the test set and draws its attention. All files
go into one run folder, runs/<data>-<model>-<attention>/<time>.

Without arguments: German to English. With the installation this takes 5 to 9
minutes on two cores with AVX-512 and bf16, 7 to 12 with AVX2 only.

Choices (* marks the default, + that of a Transformer; `nmt show NAME=CHOICE`
explains one):
{choices}

The main keys (nmt train --cfg job prints all, with their current values):

 Data
  data.source=ja data.target=en   languages: ISO 639, BCP 47 or FLORES codes
  data.dir=FOLDER                 where the files of multi30k or kftt are
                                  (default: the Hugging Face hub)
  'data.pairs=[de-en,fr-en]'      several pairs of languages in one model
                                  (bible, multi30k, kftt)
  'data.train=[FILE,FILE]'        with data=files; data.dev=, data.test=
                                  likewise
  'synthetic.files=[FILE,FILE]'   more training pairs, one side written by a
                                  model
  synthetic.tag="'<bt>'"          the piece at the start of their sources
  tokenizer.size=8000             vocabulary size in pieces
  tokenizer.symbols="['<2de>']"   texts that are always one piece
  tokenizer.model=FILE            your own SentencePiece model; or
                                  '[SOURCE,TARGET]'
  tokenizer.run=RUN               use the tokenizers of another run
  clean.max_pieces=60             longer training pairs are dropped

 Model
  model.encoder_width=256         per direction; dot-product scores need
                                  model.decoder_width = 2 x encoder_width, here
                                  512
  model.width=128                 width of a Transformer
  model.dropout=0.3               dropout probability
  model.heads=4 model.hops=2      attention heads; hops
  model.key_heads=1               heads of keys and values, shared by groups of
                                  heads
  model.soft_cap=20               limits scores to ±20
  model.copy=true                 source pieces can be copied; needs
                                  tokenizer.joint=true
  encoder.window=local_m          a choice for one place or one layer of it:
                                  encoder
  cross.2.sink=zero               and decoder (self-attention), cross
                                  (source-target); for attention, normalize,
                                  window, sink, gate, mix, key_heads and more;
                                  heads and hops only for a whole place
  attention=my_attention:MyScore  your own class, in my_attention.py in this
                                  folder or in a package; test it first with nmt
                                  check-part

 Training
  train.max_steps=5000            number of updates; or train.max_minutes=15,
                                  train.max_epochs=20, train.max_pieces=3500000
                                  (target pieces); null removes a limit
  train.max_tokens=2048           batch size in pieces per side;
                                  train.accumulate=2: two batches per update
  train.evaluate_every=500        updates between evaluations on dev, each of
                                  which writes a checkpoint
  optimizer.lr=1e-3               peak learning rate; the factor of
                                  schedule=noam
  init=RUN                        start with the tokenizers and the weights of
                                  another run, if names and shapes match
  'init_parts=[encoder]'          take the weights of these parts only
  'model.freeze=[encoder]'        do not change the weights of these parts
  decode.beam=5                   beam size in the test
  seed=2                          random seed
  device=cpu precision=fp32       device and precision; default auto
  threads=1                       threads on a CPU (default: one per core)
  products=torch                  library for float32 products on a CPU: torch
                                  or onednn (default: the faster). A resumed run
                                  keeps its threads and products

Options:
  resume=RUN             resume an interrupted run, or train a finished one
                         further with a higher limit (train.max_steps=); RUN is
                         its folder, or `last`: the newest below runs/
  from=RUN               repeat a run with new weights; RUN may be its
                         result.json; KEY=VALUE arguments change single values
  hydra.run.dir=FOLDER   the run folder
  -m                     sweep: every combination of comma-separated values,
                         each in its own folder below hydra.sweep.dir=FOLDER;
                         the same command again skips finished runs
  parts=my_attention     load the module of your own class, to resume or use a
                         run that has one; other commands need it, too
  --config-dir FOLDER    your own yamls: FOLDER/attention/mine.yaml is
                         attention=mine
  --cfg job              print the configuration and stop

Examples:
  nmt train attention=luong_dot
  nmt train experiment=bible              higher BLEU, in twice the time
  nmt train model=transformer positions=rope
  nmt train experiment=multi30k data.dir=multi30k data.source=en data.target=de
  nmt train data=files data.source=de data.target=en data.train='[my.de,my.en]'
  nmt train -m attention=bahdanau,luong_general seed=1,2,3
  nmt train resume=last"""

TRANSLATE = """\
nmt translate run=RUN [KEY=VALUE ...]

Translates standard input to standard output, line by line, with the model of a
run folder. At a terminal it answers each line at once.

Input and output:
  run=RUN, or only RUN        a run folder; `last`: the newest; `sample`: the
                              model that comes with nmt; 'run=[RUN,RUN]': an
                              ensemble of models with the same pieces, by the
                              mean of their probabilities, or of log P with
                              mean=geometric
  input=FILE                  read FILE instead of standard input; also .gz,
                              .xz, .zst, .bz2
  output=FILE                 write to FILE instead of standard output
  to=fr                       the target language of a run trained with
                              data.pairs
  prefix=FILE                 force the beginning of each translation: one line
                              per input line, may be empty; prefix=column: each
                              input line is a source, a tab and its prefix
  n_best=3                    the three best translations of each line, all
                              different (fewer if the beam has fewer),
                              tab-separated: line number, rank, score, text;
                              same as decode.n_best=3

Attention:
  heatmap=FOLDER              draw the attention of each line
  heatmap_words=true          merge pieces into words in the pictures
  heatmap_scale=sqrt          colours that tell weak weights apart
  weights=FILE.arrow          all attention weights, pieces and scores, one row
                              per line, for pandas, polars or
                              nmt.load_attention; FILE.npz for a single line
  links=FILE                  word links of each translation, i-j in Pharaoh
                              format (words count from 0), from the best
                              aligning attention: supervised by guide=, or found
                              by nmt align
  layer=2 head=3 shift=true   or from this one; see nmt align --help
  of=norms                    measure for pictures, weights= and links=:
                              weights, norms (of each key's contribution),
                              gradients (times input)

Search (default: as in training):
  decode.beam=1               beam size; also decode.length_penalty=,
                              decode.max_ratio=, ...
  decode.length_norm=power    divide log P by |Y|^length_penalty; default wu
  decode.no_repeat_ngram=3    no sequence of three pieces occurs twice
  decode.min_length=5         at least five pieces
  decode=sample               sample pieces: decode.temperature=0.7,
                              decode.top_k=20, decode.top_p=0.9, decode.seed=2;
                              n_best=5: five different samples, unsorted
  decode=mbr                  minimum Bayes risk: of decode.samples=32 samples,
                              or of the beam's hypotheses
                              (decode.candidates=beam), the one most similar to
                              all others, by decode.utility=chrf or bleu
  decode=greedy decode=beam   greedy or beam search, if training used another
  device=cpu precision=fp32   device and precision; default auto

Examples:
  nmt translate run=last
  echo "Am Anfang war das Wort." | nmt translate run=last heatmap=pictures
  nmt translate run=RUN input=news.de output=news.en decode.beam=5
  nmt translate run=RUN input=news.de output=news.en links=news.align"""

EVALUATE = """\
nmt evaluate run=RUN [data=CORPUS] [KEY=VALUE ...]

Translates a test set with the model of a run folder and scores it: BLEU, chrF,
TER, the loss of the references in nats per target piece, and word scores: REP
(repeated words), DROP (dropped words), F1 of rare and frequent words. Writes
result.json, hypotheses.txt, losses.txt (nats and pieces of each reference),
dropped.tsv (source words that were not translated) and heatmaps into
RUN/evaluation/<corpus>-<split>; the name is longer for other texts.

Keys:
  run=RUN, or only RUN        a run folder; `last`: the newest; `sample`: the
                              model that comes with nmt; 'run=[RUN,RUN]'
                              output=FOLDER: an ensemble, see nmt translate
                              --help
  data=CORPUS                 one of these (default: the run's own):
{corpora}
  data.dir=FOLDER             and other keys of the corpus: nmt train --help;
                              the default languages are those of the run
  split=test                  train, dev or test
  'references=[FILE,FILE]'    further references, one line per sentence: BLEU,
                              chrF and TER use all, everything else the first
  output=FOLDER               output folder
  heatmaps=4                  number of sentences to draw
  heatmap_words=true          merge pieces into words in the pictures
  heatmap_scale=sqrt          colours that tell weak weights apart
  weights=FILE.arrow          all attention weights over the translations, one
                              row per line; see nmt translate --help
  of=norms                    measure for pictures and weights: weights, norms,
                              gradients
  'without=[decoder.3.cross.2]'
                              switch off heads: here layer 3, head 2; also
                              encoder.1.self.4, decoder.1.self.4
  decode.beam=5               search settings, as in nmt translate (default: as
                              in training)
  device=cpu precision=fp32   device and precision; default auto

Examples:
  nmt evaluate run=last split=dev decode.beam=1
  nmt evaluate run=RUN data=multi30k data.dir=FOLDER data.test=test_2017_flickr
  nmt evaluate run=RUN data=files data.test='[a.de,a.en]'"""

SCORE = """\
nmt score run=RUN source=FILE target=FILE [KEY=VALUE ...]

Scores given translations with the model of a run folder (teacher forcing).
Prints for each line, tab-separated: log P (natural logarithm), log P per piece,
perplexity and the number of pieces; </s> counts as a piece. The values agree
with the training loss without label smoothing. At the end: loss and perplexity
of all lines. Without source= and target= it reads lines of source, tab, target
from standard input.

Keys:
  run=RUN, or only RUN        a run folder; `last`: the newest; `sample`: the
                              model that comes with nmt
  source=FILE target=FILE     line n of one is the translation of line n of the
                              other; also .gz, .xz, .zst
  to=fr                       the target language of a run trained with
                              data.pairs
  candidates=FILE             with source=FILE: re-sort an n-best list written
                              by nmt translate n_best=5, or by Moses, Marian or
                              Sockeye (number ||| text ||| ...)
  length_penalty=1.0          for these scores, and length_norm=power (or wu);
                              default: as in training
  contrast=FILE               a contrastive test set, tab-separated: source,
                              correct target, wrong targets. Prints 1 if the
                              correct target is the most probable, else 0, and
                              log P of each target; at the end, the accuracy
  format=jsonl                one object per line, with all pieces and their log
                              P
  output=FILE                 write to FILE instead of standard output
  max_pieces=1024             lines with more pieces on a side are rejected
  device=cpu precision=fp32   device and precision; default auto

Examples:
  nmt score run=last source=test.de target=test.en
  paste test.de test.en | nmt score run=last format=jsonl
  nmt score run=RUN source=test.de candidates=nbest.txt output=sorted.txt
  nmt score run=RUN contrast=negation.tsv"""

HEADS = """\
nmt heads run=RUN [data=CORPUS] [KEY=VALUE ...]

Switches off one head at a time (its output is 0) and measures what the model of
a run folder loses. Writes result.json and heads.png, a picture of layers and
heads, into RUN/heads/<corpus>-<split>-<measure>.

Keys:
  run=RUN, or only RUN        a run folder; `last`: the newest; `sample`: the
                              model that comes with nmt
  data=CORPUS                 one of these (default: the run's own):
{corpora}
  split=dev                   train, dev or test
  measure=loss                loss of the references, in nats per piece; bleu:
                              of the translations, which takes longer
  sentences=1000              only the first sentences; null: all
  output=FOLDER               output folder
  decode.beam=1               beam size for bleu (default: as in training)
  device=cpu precision=fp32   device and precision; default auto

Examples:
  nmt heads run=last
  nmt heads run=RUN measure=bleu decode.beam=1 sentences=200"""

ALIGN = """\
nmt align run=RUN [data=CORPUS] [KEY=VALUE ...]

Runs the model on a test set with the references as target (teacher forcing) and
turns source-target attention into word alignments. Writes alignments.txt
(Pharaoh format: words count from 0), source.txt and target.txt (the words),
result.json and heatmaps into RUN/alignment/<corpus>-<split>. With gold links,
which data=greek_nt has, it reports the alignment error rate, precision and
recall.

Text and gold links:
  run=RUN, or only RUN        a run folder; `last`: the newest; `sample`: the
                              model that comes with nmt
  data=CORPUS                 one of these (default: the run's own):
{corpora}
  split=test                  train, dev or test
  source=FILE target=FILE     your own text instead of a corpus; also .gz
  source_words=FILE           the same sentences, split into the words to link
  target_words=FILE           (default: the words of the text itself)
  detokenize=true             source= and target= are tokenized: restore raw
                              text
  gold=FILE gold_base=1       gold links: i-j is sure, ipj possible; gold_base
                              is the number of the first word, 0 in Pharaoh
                              format
  gold_flipped=true           i is a word of the target
  dev.source=FILE dev.gold=FILE ...   sentences on which to choose the attention
  hypothesis=true             align the model's own translations (decode.beam=5)
  to=fr                       the target language of a run trained with
                              data.pairs

Attention and links:
  layer=2 head=3              which attention (hops count as layers); null: the
                              mean; best: the one with the lowest error on dev
  shift=true                  use the row where a piece is read instead of the
                              one where it is predicted (Chen et al. 2020);
                              best: see layer
  'of=[weights,norms,gradients]'
                              measure: weights, norm of each key's contribution,
                              gradient times input; several share one table, and
                              alignments.txt has the first
  threshold=0.3               link every pair with at least this weight
                              (default: link each target word to its
                              highest-weighted source word)
  reverse=RUN                 a run of the opposite direction, to symmetrize
  symmetrize=intersection     or union, grow-diag-final-and: for alignments.txt
  statistical=true            also align with eflomal, for comparison

Output:
  heatmaps=4                  number of sentences to draw, with gold links as
                              boxes
  heatmap_scale=sqrt          colours that tell weak weights apart
  weights=FILE.arrow          all attention weights over the references, one row
                              per line; see nmt translate --help
  output=FOLDER               output folder
  device=cpu precision=fp32   device and precision; default auto

Examples:
  nmt align run=RUN reverse=RUN2 statistical=true
  nmt align run=RUN source=test.de.gz target=test.en.gz gold=test.align.gz
  nmt align run=RUN data=greek_nt layer=best head=best shift=best"""

COMPARE = """\
nmt compare FOLDER [FOLDER ...] [KEY=VALUE ...]

Compares the runs in and below folders: one row per variant, over its seeds.
FOLDER may be `last`: the folder that contains the newest run below runs/, such
as a sweep's. Prints scores and cost; writes Markdown, CSV, LaTeX, JSON and an
HTML page with plots and the attention of the same sentences under each variant.
With two or more seeds each variant is tested against the baseline: would other
seeds and sentences show the same? One seed says nothing about a method, only
about two runs.

Keys:
  baseline=NAME               the variant to compare against: its name, or any
                              unambiguous part of it (default: the first by
                              name). Of a ledger of nmt study: tables against
                              another variant, printed only
  'allow=[budget,data]'       what may differ, and is marked: data, test,
                              tokenizer, budget, signature, alignment
  scores=FILE                 sentence scores from outside (COMET, human
                              judgements), which are tested as well.
                              Tab-separated columns, named in line 1: run, line,
                              and the score's name; or 'scores=[FILE,FILE]'
  'sentences=[3,17]'          line numbers of test sentences to draw (default:
                              those whose translations differ most)
  num_sentences=4             how many to draw by default; 0: none
  output=FOLDER               output folder (default: FOLDER/comparison)
  device=cpu precision=fp32   device and precision for attention; default auto

Examples:
  nmt compare last baseline=none
  nmt compare runs/rnn runs/transformer 'allow=[budget]' output=report
  nmt compare runs/grid baseline=none scores=comet.tsv"""

EXPLORE = """\
nmt explore RUN [RUN ...] [KEY=VALUE ...]

Writes explorer.html, one file that a browser shows without a network: point at
a piece of a translation and see where the model looked. Choose the sentence,
the kind of attention, layer and head, and move a slider over the evaluations of
the training. Several runs on the same test set are shown side by side. RUN is a
run folder (`last`: the newest), or a file written by weights=FILE.arrow. The
page has at most 3 MB, and says how many sentences it has.

Keys:
  run=RUN                     the same as RUN
  'sentences=[3,17]'          line numbers of test sentences (default: as many
                              as fit, from short to long)
  of=norms                    also show the norm of each key's contribution, or
                              of=gradients; see nmt align --help
  output=FILE                 default: explorer.html in the run folder, or in
                              the folder that contains several runs
  serve=true                  instead of writing a file, translate what you type
                              in a browser: each run's translations with their
                              attention and the most probable next pieces; only
                              on this machine
  port=8123                   for serve=true; 0: any free port
  device=cpu precision=fp32   device and precision for attention; default auto

Examples:
  nmt explore last
  nmt explore runs/bahdanau runs/transformer 'sentences=[3,17]' output=both.html
  nmt explore test.arrow
  nmt explore last serve=true"""

EXPORT = """\
nmt export run=RUN to=ctranslate2 [KEY=VALUE ...]

Writes a trained Transformer as a folder for another program, with its
tokenizers and README.md, a model card: scores, data, settings, a picture of
attention, and how to load it. The exported model and the original are compared
on random sentences: the largest difference is printed.

to=ctranslate2   for CTranslate2 4.8, which is fast on CPUs, in int8 too. It has
                 attention=scaled_dot, luong_dot, cosine (cross: one head);
                 positions=sinusoidal, learned, rope, shaw, none; any
                 feed_forward=, norm= and residual=; normalize=softmax. A run
                 with other choices is refused; the message names them.
to=huggingface   for Hugging Face transformers 5: any Transformer of nmt. To use
                 it, `import nmt.hf` first, which has the classes.

Keys:
  run=RUN, or only RUN        a run folder; `last`: the newest
  quantization=int8           weights in 8 bits, with to=ctranslate2; else
                              float32
  output=FOLDER               a new folder; default: RUN/ctranslate2,
                              RUN/ctranslate2-int8 or RUN/huggingface

Examples:
  nmt export run=last to=ctranslate2
  nmt export run=last to=ctranslate2 quantization=int8
  nmt export run=RUN to=huggingface output=my-model"""

BENCH = """\
nmt bench [NAME=CHOICE ...] [KEY=VALUE ...]

Measures training and beam search on random sentences, with the code of nmt
train and nmt translate: target pieces per second, speed of matrix products
compared with that of large ones on this machine, time per part, memory. It
reads no corpus.

Keys, beside the choices and keys of nmt train (data, tokenizer and clean have
no effect):
  bench.updates=20            timed updates (repeated three times: total time,
                              time per part, FLOP count); 0 skips training
  bench.warmup=5              updates before them
  bench.sentences=256         sentences to translate; 0 skips decoding
  bench.pieces=16             length of each translation (fixed)
  bench.vocabulary=8000       vocabulary size in pieces
  bench.length=15             mean sentence length in pieces
  bench.profile=0             number of operators to list, the slowest first
  train.max_tokens=4096       batch size in pieces per side
  decode.beam=5 decode.batch_size=64   beam size, sentences per batch
  device=cpu precision=fp32   device and precision; default auto
  output=FILE                 write the figures as JSON

Examples:
  nmt bench model=transformer_small precision=bf16
  nmt bench attention=bahdanau order.input_feed=true bench.sentences=0
  nmt bench model=transformer_big train.max_tokens=25000 output=big.json"""

STUDY = """\
nmt study NAME [KEY=VALUE ...]

Trains the missing runs of a study: every variant of configs/study/NAME.yaml
with every seed, each for the same number of target pieces. Each result is one
line of the ledger docs/studies/NAME.jsonl, from which `nmt compare
docs/studies/NAME.jsonl` computes tables and tests. Stop it at any moment
(Ctrl-C, SIGTERM): the same command resumes.

Studies:
{studies}

Keys:
  data.dir=FOLDER             where the files of the corpus are on this machine
  list=true                   show the missing runs, and train none
  limit=2                     train at most two runs now
  part=1/2                    only the first half of the variants, on one of two
                              machines
  merge=FOLDER                add the runs of a ledger from another machine
  speed=3                     measure the speed of each variant in three rounds
                              of nmt bench, and train none; on a quiet machine
  threads=1 nice=10           threads and priority of each run; nice=19 is the
                              lowest
  ledger=FOLDER runs=FOLDER   where results and runs are written
  device=cuda                 where runs are trained; default auto
  hydra/launcher=joblib hydra.launcher.n_jobs=2   two runs at a time
  --config-dir FOLDER         your own study: FOLDER/study/mine.yaml

Examples:
  nmt study multi30k_rnn data.dir=multi30k
  nmt study multi30k_rnn data.dir=multi30k part=2/2 limit=4
  nmt study multi30k_rnn list=true"""

CHECK_PART = """\
nmt check-part MODULE:CLASS [KEY=VALUE ...]

Tests your own part: a score, normalizer, window, sink, gate, mix or positions,
in MODULE.py in this folder or in a package. It must keep every law that the
parts of nmt keep. Prints one line per law: passed or failed, and the largest
difference found. Exit code 1 if one fails.

KEY=VALUE sets an argument of its constructor.

Examples:
  nmt check-part my_attention:MyScore
  nmt check-part my_attention:MyScore scale=3
  nmt train attention=my_attention:MyScore
  nmt translate run=last parts=my_attention"""

COMPLETION = """\
nmt completion bash|zsh|fish

Prints a script for your shell: the Tab key then completes commands, choices,
keys and run folders. To have this in every new shell, add a line to a file:

  bash, ~/.bashrc:                    eval "$(nmt completion bash)"
  zsh, ~/.zshrc, below compinit:      eval "$(nmt completion zsh)"
  fish, ~/.config/fish/config.fish:   nmt completion fish | source"""

SHOW = """\
nmt show [GROUP | GROUP=CHOICE [KEY=VALUE ...] | SETTING]

Explains the choices of nmt train. Without arguments it lists all groups and
choices; for a GROUP it prints one line per choice. For GROUP=CHOICE it prints
the formula and paper, shapes of inputs and outputs, settings with their
defaults, number of parameters in a model, and the choices that it cannot be
combined with. A SETTING is soft_cap, copy or key_heads, of the model.

Keys:
  model=transformer_base      the model to use (default: rnn_small and
                              transformer_small)
  model.heads=8 ...           settings of that model

Examples:
  nmt show
  nmt show normalize
  nmt show normalize=ssmax
  nmt show gate=l0 model=transformer_base
  nmt show copy"""

COMMANDS = {
    "train": TRAIN,
    "translate": TRANSLATE,
    "evaluate": EVALUATE,
    "score": SCORE,
    "heads": HEADS,
    "align": ALIGN,
    "compare": COMPARE,
    "explore": EXPLORE,
    "export": EXPORT,
    "bench": BENCH,
    "study": STUDY,
    "check-part": CHECK_PART,
    "show": SHOW,
    "completion": COMPLETION,
}


# The groups of choices by what they are about, as `nmt train --help` has them.
TOPICS = {
    "Data": ("data", "tokenizer"),
    "Model": (
        *("model", "cell", "bridge", "order", "positions"),
        *("feed_forward", "residual", "norm"),
    ),
    "Attention": ("attention", "normalize", "window", "sink", "gate", "mix"),
    "Training": ("optimizer", "schedule", "teacher", "consistency", "guide"),
    "Test": ("decode",),
    "Experiments": ("experiment",),
}


def command_help(command: str) -> str:
    """Return the help text of a command."""
    return COMMANDS[command].format(
        choices=choices(),
        corpora=wrapped(", ".join(names("data")), 30),
        studies=wrapped(", ".join(names("study")), 2),
    )


def choices() -> str:
    """List the folders of configs/ by topic with their files, and mark the defaults."""
    topics = ("\n".join([f" {topic}", *map(row, groups)]) for topic, groups in TOPICS.items())
    return "\n".join(topics)


def row(group: str) -> str:
    """List the choices of a group: those of configs/, and what installed packages offer."""
    marks = {defaults("model/transformer").get(group): "+"} if group != "model" else {}
    marks[defaults("train").get(group)] = "*"
    found = [f"{name}{marks.get(name, '')}" for name in names(group)]
    return f"  {group:<14}" + wrapped(" ".join([*found, *offered_for(group)]), 16).lstrip()


def wrapped(text: str, indent: int) -> str:
    """Return text in lines of at most 80 columns that begin with spaces."""
    return fill(text, 80, initial_indent=" " * indent, subsequent_indent=" " * indent)


@cache
def defaults(config: str) -> dict[str, str | None]:
    """Return the choice of each group in the defaults list of a yaml of configs/."""
    path = config_folder() / f"{config}.yaml"
    chosen: dict[str, str | None] = {}
    for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["defaults"]:
        for key, name in entry.items() if isinstance(entry, dict) else ():
            chosen[key.removeprefix("override /").partition("@")[0]] = name
    return chosen


def names(group: str) -> list[str]:
    """Return the choices of a folder of configs/."""
    return sorted(path.stem for path in Path(config_folder(), group).glob("*.yaml"))
