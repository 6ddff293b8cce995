"""What `--help` says to a newcomer, at once: nothing large is imported for it."""

from pathlib import Path
from textwrap import wrap

import yaml

from nmt.config.own import offered_for
from nmt.config.yamls import config_folder

OVERVIEW = """\
nmt trains, compares and explains attention in neural machine translation.

Commands:
  nmt train       train a model on a corpus, evaluate it, draw where it looks
  nmt translate   translate text with a trained model
  nmt evaluate    score a trained model on a test set
  nmt score       how probable a trained model finds given translations
  nmt heads       what a trained model loses without each of its heads
  nmt align       word alignments out of a trained model's attention
  nmt compare     say which of several trained variants is better, and how surely
  nmt explore     a page in which you point at a piece and see where it looked
  nmt bench       how fast a configuration trains and translates on this machine
  nmt study       many runs that answer one question, and a ledger of what came out
  nmt check-part  test a part of your own, such as a score
  nmt show        explain a choice: formula, paper, settings, parameters

To begin:
  nmt train experiment=smoke              everything once, in seconds
  nmt train                               German to English on the corpus that is built in,
                                          within a quarter of an hour on two cores
  nmt train attention=bahdanau seed=2     one word changes the experiment
  nmt translate run=last                  text in, text out, with the model trained last
  nmt COMMAND --help                      what a command takes"""

TRAIN = """\
nmt train [NAME=CHOICE ...] [KEY=VALUE ...] [OPTION ...]

Trains a model, evaluates it on the test set and draws where it looks. All of
that is written into a run folder, runs/<data>-<model>-<attention>/<time>.

Without words: German to English, some 5 minutes on two cores with AVX-512 and
bf16, 7 to 13 with AVX2 alone.

Choices (* is taken where you name none):
{choices}

Some of the keys (nmt train --cfg job prints all, as they stand with your words):
  data.source=ja data.target=en   the languages: ISO 639, BCP 47 or FLORES codes
  data.dir=FOLDER                 where the files of multi30k or kftt are; else
                                  they come from the Hugging Face hub
  data.train=[FILE,FILE]          with data=files; data.dev=, data.test= likewise
  synthetic.files=[FILE,FILE]     more pairs for train, of which a model wrote one side;
  synthetic.tag="'<bt>'"          a piece that begins their sources
  tokenizer.size=8000             pieces of the vocabulary
  tokenizer.symbols=['<2de>']     texts that are one piece each, wherever they stand
  tokenizer.run=RUN               use the tokenizers of another run
  init=RUN                        start with the weights of another run, as far as names
                                  and shapes are the same
  clean.max_pieces=60             longer train pairs are left out
  model.encoder_width=256         of each direction; then model.decoder_width=512
                                  where the score multiplies states
  model.width=128                 of a Transformer
  model.dropout=0.3               the share of numbers that training drops
  model.heads=4 model.hops=2      of the attention
  model.key_heads=1               heads of keys and values, shared by groups of heads
  encoder.window=local_m          a choice for one place or one layer of it: encoder and
  cross.2.sink=zero               decoder (self-attention), cross (source-target); for
                                  attention, normalize, window, sink, gate, mix, heads, hops
  optimizer.lr=1e-3               the highest learning rate; the factor of schedule=noam
  train.max_steps=5000            updates; or train.max_minutes=15, or
                                  train.max_epochs=20, or train.max_pieces=3500000
                                  of the target; null takes a limit away
  train.max_tokens=2048           of a batch, a side; train.accumulate=2 takes two
                                  batches an update
  train.evaluate_every=500        updates from one evaluation on dev, which
                                  writes a checkpoint, to the next
  decode.beam=5                   of the search in the test
  seed=2                          of all that is drawn at random
  device=cpu precision=fp32       where and how it is computed; else auto

  attention=my_attention:MyScore  a class of your own, in my_attention.py in this folder or
                                  in a package; test it first with nmt check-part

Options:
  parts=my_attention     load the module of such a class, to resume or use a run that
                         has one; needed in other commands, too
  resume=RUN             resume an interrupted run, or with a higher limit
                         (train.max_steps=) one that has ended; RUN is its folder,
                         or `last`: the newest below runs/
  from=RUN               start a new run, with new weights, as that one was; RUN may
                         be its result.json, and KEY=VALUE arguments change single values
  hydra.run.dir=FOLDER   the run folder
  -m                     every combination of the values between commas, each run
                         in a folder named for them below hydra.sweep.dir=FOLDER;
                         the same words again skip the runs that are finished
  --config-dir FOLDER    with yamls of your own: FOLDER/attention/mine.yaml is
                         attention=mine
  --cfg job              print the configuration and stop

Examples:
  nmt train attention=luong_dot
  nmt train experiment=bible              more BLEU on the same text, in twice the time
  nmt train model=transformer positions=rope
  nmt train experiment=multi30k data.dir=multi30k data.source=en data.target=de
  nmt train data=files data.source=de data.target=en data.train=[my.de,my.en]
  nmt train -m attention=bahdanau,luong_general seed=1,2,3
  nmt train resume=last"""

TRANSLATE = """\
nmt translate run=RUN [KEY=VALUE ...]

Translates standard input to standard output, a line for each line, with the
model of a run folder. At a terminal it answers every line at once.

Keys:
  run=RUN                     the run folder of a training; last: the newest;
                              run=[RUN,RUN]: several models of the same pieces translate
                              together, by the mean of their probabilities, or
                              mean=geometric: of their log P
  input=FILE                  for standard input; also .gz, .xz, .zst, .bz2
  output=FILE                 for standard output
  prefix=FILE                 what each translation begins with, a line per line of the
                              text, empty for anything; prefix=column: each line of
                              the text is a source, a tab and its prefix
  n_best=3                    the three best of each line, all different (fewer where
                              the beam holds fewer): number of the line, rank,
                              score and text, between tabs; the same as
                              decode.n_best=3
  heatmap=FOLDER              draw each line's attention there
  heatmap_words=true          with pieces merged to words
  weights=FILE.arrow          all attention weights, pieces and scores, a row per
                              line, for pandas, polars or nmt.load_attention;
                              FILE.npz for a single line
  links=FILE                  word links of each translation, i-j in Pharaoh format
                              (words count from 0), from the attention that aligns
                              best: taught by guide=, or found by nmt align
  layer=2 head=3 shift=true   or from this one; see nmt align --help
  of=norms                    what pictures, weights= and links= show: weights,
                              norms (of what each key adds), gradients (times input)
  decode.beam=1               how to search, else as in the training; also
                              decode.length_penalty=, decode.max_ratio=, ...
  decode.length_norm=power    divide log P by |Y|^length_penalty; else wu
  decode.no_repeat_ngram=3    no sequence of three pieces stands twice
  decode.min_length=5         at least so many pieces
  decode=sample               draw pieces at random: decode.temperature=0.7,
                              decode.top_k=20, decode.top_p=0.9, decode.seed=2;
                              n_best=5: five different samples, as they were drawn
  decode=mbr                  of decode.samples=32 samples, or what a beam finds
                              (decode.candidates=beam), the one that is most like all
                              others, by decode.utility=chrf or bleu
  decode=greedy decode=beam   a beam search, where the training's test was another
  device=cpu precision=fp32   where and how it is computed; else auto

Examples:
  nmt translate run=last
  echo "Am Anfang war das Wort." | nmt translate run=last heatmap=pictures
  nmt translate run=RUN input=news.de output=news.en decode.beam=5
  nmt translate run=RUN input=news.de output=news.en links=news.align weights=news.arrow"""

EVALUATE = """\
nmt evaluate run=RUN [data=CORPUS] [KEY=VALUE ...]

Translates a test set with the model of a run folder and scores it: BLEU, chrF,
TER, the loss of the references in nats per target piece, and what happens to
words: REP (repeated), DROP (dropped), F1 of rare and frequent ones. Writes
result.json, hypotheses.txt, losses.txt (nats and pieces of each reference),
dropped.tsv (source words without a counterpart) and heatmaps into
RUN/evaluation/<corpus>-<split>; another text gets a longer name.

Keys:
  run=RUN                     the run folder of a training; last: the newest;
                              run=[RUN,RUN] output=FOLDER: several models together, see
                              nmt translate --help
  data=CORPUS                 {corpora};
                              else the run's own
  data.dir=FOLDER             and what else the corpus takes: nmt train --help;
                              the languages are the run's unless you type others
  split=test                  train, dev or test
  output=FOLDER               where to write
  heatmaps=4                  sentences whose attention is drawn
  heatmap_words=true          with pieces merged to words
  weights=FILE.arrow          all attention weights over the translations, a row
                              per line; see nmt translate --help
  of=norms                    what pictures and weights= show: weights, norms,
                              gradients
  without=[decoder.3.cross.2]  heads that are switched off: layer 3, head 2; also
                              encoder.1.self.4, decoder.1.self.4
  decode.beam=5               how to search, else as in the training; all settings are
                              those of nmt translate
  device=cpu precision=fp32   where and how it is computed; else auto

Examples:
  nmt evaluate run=last split=dev decode.beam=1
  nmt evaluate run=RUN data=multi30k data.dir=multi30k data.test=test_2017_flickr
  nmt evaluate run=RUN data=files data.test=[a.de,a.en]"""

SCORE = """\
nmt score run=RUN source=FILE target=FILE [KEY=VALUE ...]

Forces the model of a run folder to write given translations. For each line it
prints log P (natural logarithm), log P per piece, perplexity and the number of
pieces, between tabs. </s> counts as a piece. The values are those of training's
loss without label smoothing. At the end: loss and perplexity of all lines.
Without source= and target= it reads lines of source, tab, target from standard
input.

Keys:
  run=RUN                     the run folder of a training; last: the newest
  source=FILE target=FILE     line n of both belong together; also .gz, .xz, .zst
  candidates=FILE             with source=FILE: an n-best list, as written by
                              nmt translate n_best=5, or by Moses, Marian or
                              Sockeye (number ||| text ||| ...). Each list is
                              sorted anew, and printed as nmt translate does
  length_penalty=1.0          of these scores, and length_norm=power (or wu); else as
                              in the training
  contrast=FILE               a contrastive test set: source, right target, and
                              wrong targets, between tabs. Prints 1 where the
                              right target is the most probable, else 0, and log P
                              of each target; at the end, the accuracy
  format=jsonl                an object per line, with the pieces and log P of each
  output=FILE                 for standard output
  max_pieces=1024             a line with more pieces on a side is refused
  device=cpu precision=fp32   where and how it is computed; else auto

Examples:
  nmt score run=last source=test.de target=test.en
  paste test.de test.en | nmt score run=last format=jsonl
  nmt score run=RUN source=test.de candidates=nbest.txt output=sorted.txt
  nmt score run=RUN contrast=negation.tsv"""

HEADS = """\
nmt heads run=RUN [data=CORPUS] [KEY=VALUE ...]

Switches off one head after the other (its output is 0) and measures what the
model of a run folder loses. Writes result.json and heads.png, a picture of layers
and heads, into RUN/heads/<corpus>-<split>-<measure>.

Keys:
  run=RUN                     the run folder of a training; last: the newest
  data=CORPUS                 {corpora};
                              else the run's own
  split=dev                   train, dev or test
  measure=loss                of the references, in nats per piece; bleu: of the
                              translations, which takes longer
  sentences=1000              the first ones; null: all
  output=FOLDER               where to write
  decode.beam=1               of the search for bleu, else as in the training
  device=cpu precision=fp32   where and how it is computed; else auto

Examples:
  nmt heads run=last
  nmt heads run=RUN measure=bleu decode.beam=1 sentences=200"""

ALIGN = """\
nmt align run=RUN [data=CORPUS] [KEY=VALUE ...]

Forces the model of a run folder to write the references of a test set and reads
its source-target attention as word alignments. Writes alignments.txt (Pharaoh
format: words count from 0), source.txt and target.txt (the words), result.json
and heatmaps into RUN/alignment/<corpus>-<split>. Where gold links are given, or
the corpus has some (greek_nt), it tells the alignment error rate, precision and
recall.

Keys:
  run=RUN                     the run folder of a training; last: the newest
  data=CORPUS                 {corpora};
                              else the run's own
  split=test                  train, dev or test
  source=FILE target=FILE     a text of your own in place of a corpus; also .gz
  source_words=FILE           the same sentences as words between spaces, which
  target_words=FILE           are linked; else the words of the text itself
  detokenize=true             source= and target= hold words: make text of them
  gold=FILE gold_base=1       gold links, i-j sure and ipj possible, and the
                              number of the first word: 1, 0 in Pharaoh format
  gold_flipped=true           where i is a word of the target
  dev.source=FILE dev.gold=FILE ...   sentences to find the best attention with
  layer=2 head=3              which attention (hops are layers); null: the mean;
                              best: the one with the lowest error on dev
  shift=true                  take a piece's row where it is read, not where it
                              is predicted (Chen et al. 2020); best: see layer
  of=[weights,norms,gradients]  what is read: weights, the norm of what each key
                              adds, gradients times input; several stand in one
                              table, and alignments.txt has the first
  threshold=0.3               link all from this weight on; else each target
                              word to the source word with the largest
  reverse=RUN                 a run of the other direction; both are symmetrized
  symmetrize=intersection     union, grow-diag-final-and: in alignments.txt
  statistical=true            eflomal on the same text beside it
  hypothesis=true             align the model's own translations (decode.beam=5)
  heatmaps=4                  first sentences, drawn with gold links as boxes
  weights=FILE.arrow          all attention weights over the references, a row per
                              line; see nmt translate --help
  output=FOLDER               where to write
  device=cpu precision=fp32   where and how it is computed; else auto

Examples:
  nmt align run=RUN reverse=RUN2 statistical=true
  nmt align run=RUN source=test.de.gz target=test.en.gz gold=test.align.gz
  nmt align run=RUN data=greek_nt layer=best head=best shift=best"""

COMPARE = """\
nmt compare FOLDER [FOLDER ...] [KEY=VALUE ...]

Compares the runs in and below folders: a row for each variant, over its seeds.
FOLDER may be `last`: the folder of the newest run below runs/, such as a sweep's.
Prints scores and cost; writes Markdown, CSV, LaTeX, JSON and a page of HTML with
plots and the attention of the same sentences under each. With two or more seeds
each variant is tested against the baseline: would other seeds and sentences show
the same? One seed says nothing of a method, only of two runs.

Keys:
  baseline=NAME               the variant that the others are held against, by
                              its name or a part that no other has; else the first
  allow=[budget,data]         what may differ, and is marked: data, test,
                              tokenizer, budget, signature, alignment
  scores=FILE                 a score of each sentence from elsewhere (COMET, people),
                              tested too. Columns between tabs, named in line 1:
                              run, line, and the score's name; or [FILE,FILE]
  sentences=[3,17]            whose attention is drawn; else those whose
                              translations differ most
  num_sentences=4             how many, where none are named; 0: none
  output=FOLDER               where to write; else FOLDER/comparison
  device=cpu precision=fp32   where and how attention is computed; else auto

Examples:
  nmt compare last baseline=none
  nmt compare runs/rnn runs/transformer allow=[budget] output=report
  nmt compare runs/grid baseline=none scores=comet.tsv"""

EXPLORE = """\
nmt explore RUN [RUN ...] [KEY=VALUE ...]

Writes explorer.html, one file for a browser, without network: point at a piece of
a translation and see where the model looked. Choose the sentence, the kind of
attention, layer and head, and move a slider over the evaluations of the training.
Several runs on the same test set are side by side. RUN is a run folder (last: the
newest), or a file that weights=FILE.arrow wrote. The page has 3 MB at most, and
says how many sentences it holds.

Keys:
  run=RUN                     the same as RUN
  sentences=[3,17]            of the test set, from 1; else as many as fit, from
                              short to long
  of=norms                    beside the weights: the norm of what each key adds,
                              or of=gradients; see nmt align --help
  output=FILE                 else explorer.html in the run folder, or in the
                              folder above several runs
  serve=true                  write nothing, and translate what you type in a
                              browser: each run's translations with their attention,
                              and the pieces that stood next; for this machine alone
  port=8123                   of serve=true; 0: any that is free
  device=cpu precision=fp32   where and how attention is computed; else auto

Examples:
  nmt explore last
  nmt explore runs/bahdanau runs/transformer sentences=[3,17] output=both.html
  nmt explore test.arrow
  nmt explore last serve=true"""

BENCH = """\
nmt bench [NAME=CHOICE ...] [KEY=VALUE ...]

Measures training and beam search on random sentences, with the code of nmt train
and nmt translate: target pieces a second, the rate of matrix products beside that
of large ones on this machine, time by part, memory. No corpus is read.

Keys (and the choices and keys of nmt train; data, tokenizer and clean do nothing):
  bench.updates=20            of each of three passes: the time of all, the time of
                              each part, and a count of what is computed; 0: none
  bench.warmup=5              updates before them
  bench.sentences=256         to translate; 0: none
  bench.pieces=16             of each translation, forced
  bench.vocabulary=8000       pieces
  bench.length=15             pieces of a sentence in the mean
  bench.profile=0             operators to list, those that take most time
  train.max_tokens=4096       of a batch, a side
  decode.beam=5 decode.batch_size=64   of the search
  device=cpu precision=fp32   where and how it is computed; else auto
  output=FILE                 the figures as JSON

Examples:
  nmt bench model=transformer_small precision=bf16
  nmt bench attention=bahdanau order.input_feed=true bench.sentences=0
  nmt bench model=transformer_big train.max_tokens=25000 device=cuda output=big.json"""

STUDY = """\
nmt study NAME [KEY=VALUE ...]

Trains the runs of a study that its ledger lacks: every variant of
configs/study/NAME.yaml under every seed, each for as many target pieces. What
came out of a run is a line of docs/studies/NAME.jsonl, from which
`nmt compare docs/studies/NAME.jsonl` computes tables and tests. Stop it at any
moment (Ctrl-C, SIGTERM): the same command resumes.

Studies: {studies}

Keys:
  data.dir=FOLDER           where the files of the corpus are on this machine
  list=true                 show which runs are missing, and train none
  limit=2                   train at most two runs now
  part=1/2                  the first half of the variants, on one of two machines
  merge=FOLDER              add the runs of another ledger, from the other machine
  speed=3                   measure how fast each variant is, three rounds by
                            nmt bench, and train none; on a quiet machine
  threads=1 nice=10         of each run; nice=19 is the lowest priority
  ledger=FOLDER runs=FOLDER   where results and runs are written
  device=cuda               where runs are trained; else auto
  hydra/launcher=joblib hydra.launcher.n_jobs=2   two runs at a time
  --config-dir FOLDER       with a study of your own: FOLDER/study/mine.yaml

Examples:
  nmt study multi30k_rnn data.dir=multi30k
  nmt study multi30k_rnn data.dir=multi30k part=2/2 limit=4
  nmt study multi30k_rnn list=true"""

CHECK_PART = """\
nmt check-part MODULE:CLASS [KEY=VALUE ...]

Tests a part of your own: a score, a normalizer, a window, a sink, a gate or a mix,
in MODULE.py in this folder or in a package. It is tried in every law that all parts
of nmt fulfil. Prints one line per law: passed or failed, and the largest
difference that was seen. Exit code 1 if one fails.

KEY=VALUE sets an argument of its constructor.

Examples:
  nmt check-part my_attention:MyScore
  nmt check-part my_attention:MyScore scale=3
  nmt train attention=my_attention:MyScore
  nmt translate run=last parts=my_attention"""

SHOW = """\
nmt show [GROUP | GROUP=CHOICE [KEY=VALUE ...]]

Explains the choices of nmt train. Without arguments it lists all groups and
choices, for a GROUP each choice in one line. For GROUP=CHOICE it prints:
formula and paper, shapes of inputs and outputs, settings with their defaults,
number of parameters in a model, and the choices that it cannot be combined with.

Keys:
  model=transformer_base      the model to try it in; by default rnn_small and
                              transformer_small
  model.heads=8 ...           settings of that model

Examples:
  nmt show
  nmt show normalize
  nmt show normalize=ssmax
  nmt show gate=l0 model=transformer_base"""

COMMANDS = {
    "train": TRAIN,
    "translate": TRANSLATE,
    "evaluate": EVALUATE,
    "score": SCORE,
    "heads": HEADS,
    "align": ALIGN,
    "compare": COMPARE,
    "explore": EXPLORE,
    "bench": BENCH,
    "study": STUDY,
    "check-part": CHECK_PART,
    "show": SHOW,
}


def command_help(command: str) -> str:
    """Return what a command takes."""
    return COMMANDS[command].format(
        choices=choices(), corpora=", ".join(names("data")), studies=", ".join(names("study"))
    )


def choices() -> str:
    """List the folders of configs/ with their files, a star at what train.yaml takes.

    Behind them stands what installed packages offer.
    """
    content = yaml.safe_load((config_folder() / "train.yaml").read_text(encoding="utf-8"))
    taken: dict[str, str | None] = {}
    for entry in content["defaults"]:
        if isinstance(entry, dict):
            taken |= entry
    groups = {group: names(group) for group in taken if not group.startswith("override")}
    rows: list[str] = []
    for group, found in groups.items():
        starred = " ".join(f"{name}*" if name == taken[group] else name for name in found)
        starred = " ".join([starred, *offered_for(group)])
        rows += wrap(f"{group:<14}{starred}", 80, initial_indent="  ", subsequent_indent=" " * 16)
    return "\n".join(rows)


def names(group: str) -> list[str]:
    """Return the choices of a folder of configs/."""
    return sorted(path.stem for path in Path(config_folder(), group).glob("*.yaml"))
