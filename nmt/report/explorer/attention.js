// Attention that one can touch: in a file, in TensorBoard, in a notebook, and live.
//
//   explore(element, content)
//
// shows a document of nmt/report/explorer/document.py: runs, of each some texts, of each text the
// moments at which it was looked at, of each moment some sentences. A moment without `sentences`
// has a `url`, from which they are read when they are shown. Text is data: it is only ever put
// into the page as text.

const CELL = 18; // pixels of a row and a column
const FAINT = 0.04; // of the largest weight: a line that is thinner than that is not drawn
const NAMED = 3; // keys that are named where a whole row is marked
const PACE = 500; // milliseconds from one step to the next while the slider plays
const PLACES = { cross: "target → source", encoder: "source → source", decoder: "target → target" };
const AXES = { cross: ["target", "source"], encoder: ["source", "source"], decoder: ["read", "read"] };
const KEYS = [
  ["↑ ↓", "the piece above, below"],
  ["← →", "the piece to the left, right"],
  ["h H", "next, previous head"],
  ["l L", "next, previous layer"],
  ["m", "the mean of all layers and heads"],
  ["k", "next kind of attention"],
  ["w", "pieces or words"],
  ["r", "colours of the weight, or of its square root"],
  ["n p", "next, previous sentence"],
  [". ,", "next, previous step"],
  ["space", "play the steps, or stop"],
  ["Esc", "mark nothing"],
];

// ---- numbers -----------------------------------------------------------------------------------

/** Return the numbers of an array that was packed into 8 bits: {shape: [L, H, T, S], values}. */
export function unpack(packed) {
  const bytes = atob(packed.data);
  const values = new Float32Array(bytes.length);
  const scale = (packed.high - packed.low) / 255 ** 2;
  for (let i = 0; i < values.length; i++) {
    const code = bytes.charCodeAt(i);
    values[i] = packed.low + scale * code * code;
  }
  return { shape: packed.shape, values };
}

/** Merge pieces to words: a key has the sum of its pieces, a query the mean of them. */
export function merged({ shape, values }, queries, keys) {
  const [layers, heads, T, S] = shape;
  const numQueries = queries.words.length;
  const numKeys = keys.words.length;
  const pieces = new Array(numQueries).fill(0);
  for (const word of queries.word) pieces[word]++;
  const found = new Float32Array(layers * heads * numQueries * numKeys);
  for (let map = 0; map < layers * heads; map++)
    for (let t = 0; t < T; t++)
      for (let s = 0; s < S; s++) {
        const query = queries.word[t];
        const place = (map * numQueries + query) * numKeys + keys.word[s];
        found[place] += values[(map * T + t) * S + s] / pieces[query];
      }
  return { shape: [layers, heads, numQueries, numKeys], values: found };
}

/** Return one matrix (T*S), or the mean over all layers or heads where one of them is null. */
export function matrixOf({ shape, values }, layer, head) {
  const [layers, heads, T, S] = shape;
  const size = T * S;
  if (layer !== null && head !== null)
    return values.subarray((layer * heads + head) * size, (layer * heads + head + 1) * size);
  const chosen = [];
  for (let l = 0; l < layers; l++)
    for (let h = 0; h < heads; h++)
      if ((layer ?? l) === l && (head ?? h) === h) chosen.push((l * heads + h) * size);
  const mean = new Float32Array(size);
  for (const start of chosen) for (let i = 0; i < size; i++) mean[i] += values[start + i];
  for (let i = 0; i < size; i++) mean[i] /= chosen.length;
  return mean;
}

/** Return -Σ w ln w of a row in nats, of its shares where it has no scale. */
export function entropy(row, isShare) {
  const total = isShare ? 1 : row.reduce((sum, one) => sum + Math.max(one, 0), 0) || 1;
  return row.reduce((sum, one) => (one > 0 ? sum - (one / total) * Math.log(one / total) : sum), 0);
}

/** Return how wrong the links of a matrix are against gold links [source, target, sure]: AER. */
export function alignmentError(matrix, shape, gold) {
  const [, , T, S] = shape;
  const sure = gold.filter((link) => link[2]).length;
  let [linked, inSure, inPossible] = [0, 0, 0];
  for (let t = 0; t < T - 1; t++) {
    const row = matrix.subarray(t * S, (t + 1) * S - 1);
    const best = row.indexOf(Math.max(...row));
    const hit = gold.find((link) => link[0] === best && link[1] === t);
    linked++;
    inPossible += hit ? 1 : 0;
    inSure += hit?.[2] ? 1 : 0;
  }
  return 1 - (inSure + inPossible) / (linked + sure);
}

/** Return [layer, head] with the lowest error on the gold links of a sentence. */
export function bestHead(maps, gold) {
  let best = null;
  for (let layer = 0; layer < maps.shape[0]; layer++)
    for (let head = 0; head < maps.shape[1]; head++) {
      const error = alignmentError(matrixOf(maps, layer, head), maps.shape, gold);
      if (!best || error < best.error) best = { layer, head, error };
    }
  return [best.layer, best.head];
}

// ---- the page ----------------------------------------------------------------------------------

/** Make an element; properties that are no properties of it are attributes. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Fill a select with [value, label] pairs, and keep the value if it is still there. */
function fill(select, pairs, value) {
  select.replaceChildren(
    ...pairs.map(([one, label]) => make("option", { value: String(one), textContent: label })),
  );
  select.value = String(value);
  select.closest("label").hidden = pairs.length < 2;
}

/** Make a select with its label, both in `parent`. */
function choice(parent, label, change) {
  const select = make("select", { onchange: () => change(select.value) });
  parent.append(make("label", {}, `${label} `, select));
  return select;
}

/** Make a list of texts with their roles: [role, text]; those that are empty are left out. */
const listed = (texts) =>
  texts.filter(([, text]) => text).flatMap(([role, text]) => [
    make("dt", { textContent: role }), make("dd", { dir: "auto", textContent: text })]);

/** Make text whose direction has no effect on what is around it. */
const isolated = (text) => make("bdi", { textContent: text });

const asNumber = (text) => (text === "null" ? null : Number(text));
const shown = (value) => value.toFixed(Math.abs(value) < 10 ? 2 : 1);
const clipped = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** Show a document in an element. */
export function explore(element, content) {
  return new Explorer(element, content);
}

class Explorer {
  constructor(element, content) {
    this.content = content;
    this.cache = new WeakMap(); // of a sentence: its unpacked arrays
    this.chosen = { text: null, step: 0, number: null, place: content.place ?? "cross", of: "weights", words: false, root: false };
    this.mark = null; // {query, key, panel}: what is pointed at; query or key may be null
    this.pinned = false;
    this.root = make("div", { className: "attention", tabIndex: 0 });
    this.root.explorer = this;
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.build();
    element.append(this.root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.ready = this.show();
  }

  build() {
    const bar = make("div", { className: "bar" });
    const change = (name, read = (value) => value) => (value) => this.choose({ [name]: read(value) });
    this.selects = {
      text: choice(bar, "text", change("text")),
      order: choice(bar, "sorted by", () => this.choose({ number: null })),
      number: choice(bar, "sentence", change("number", Number)),
      place: choice(bar, "kind", change("place")),
      of: choice(bar, "values", change("of")),
    };
    this.search = make("input", { type: "search", placeholder: "search", ariaLabel: "search sentences" });
    this.search.addEventListener("input", () => this.show());
    const box = (name) => {
      const element = make("input", { type: "checkbox" });
      element.addEventListener("change", () => this.choose({ [name]: element.checked }));
      return element;
    };
    this.boxes = { words: box("words"), root: box("root") };
    bar.append(this.search, make("label", {}, this.boxes.words, " words"),
      make("label", { title: "colours of the square root: they tell weak weights apart" }, this.boxes.root, " √ colours"));
    this.slider = make("input", { type: "range", min: 0, step: 1, ariaLabel: "step of the training" });
    this.slider.addEventListener("input", () => this.choose({ step: Number(this.slider.value) }));
    this.play = make("button", { type: "button", textContent: "play", onclick: () => this.playing() });
    this.stepLabel = make("output", { className: "step" });
    this.steps = make("div", { className: "steps" }, this.play, this.slider, this.stepLabel);
    const side = this.content.panels; // undefined: one run is shown, and another can be chosen
    this.panels = Array.from({ length: side ?? 2 }, (_, place) => new Panel(this, place));
    if (!side) this.panels[1].run = null;
    const panels = make("div", { className: "panels" }, ...this.panels.map((panel) => panel.element));
    const list = make("dl", {}, ...KEYS.flatMap(([key, what]) => [
      make("dt", {}, make("kbd", { textContent: key })), make("dd", { textContent: what })]));
    this.shared = make("dl", { className: "texts" });
    this.message = make("p", { className: "message", role: "status" });
    const keys = make("details", { className: "keys" }, make("summary", { textContent: "Keys" }), list);
    const notes = (this.content.notes ?? []).map((text) => make("p", { className: "note", textContent: text }));
    this.root.append(...(this.content.live ? [this.form()] : []), bar, this.steps, this.message, this.shared, panels, keys, ...notes);
  }

  /** Make the field in which a sentence is typed; its translations are shown when they come. */
  form() {
    const text = make("input", { type: "text", placeholder: "a sentence to translate", ariaLabel: "sentence", dir: "auto" });
    const button = make("button", { type: "submit", textContent: "translate" });
    const form = make("form", { className: "live" }, text, button);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      this.message.textContent = "translating …";
      try {
        const body = JSON.stringify({ text: text.value });
        const answer = await fetch(this.content.live, { method: "POST", body });
        if (!answer.ok) throw new Error(await answer.text());
        this.content.runs = (await answer.json()).runs;
        this.message.textContent = "";
        await this.choose({ text: null, number: null });
      } catch (error) {
        this.message.textContent = error.message;
      }
      button.disabled = false;
    });
    return form;
  }

  get runs() {
    return this.content.runs;
  }

  /** The moments of the chosen text in a run. */
  moments(run) {
    return run?.texts.find((text) => text.name === this.chosen.text)?.moments ?? [];
  }

  /** The moment of a run that is shown: that of the first panel's step, or the last one before. */
  moment(run) {
    const moments = this.moments(run);
    const step = this.moments(this.panels[0].of())[this.chosen.step]?.step;
    return moments.findLast((moment) => moment.step <= step) ?? moments[0];
  }

  choose(changes) {
    Object.assign(this.chosen, changes);
    if ("number" in changes || "words" in changes || "place" in changes) this.unmark();
    return (this.ready = this.show());
  }

  /** Read what is chosen and show it; what was asked for meanwhile goes first. */
  async show() {
    const asked = (this.asked = Symbol("shown last"));
    const first = this.panels[0].of();
    const texts = first?.texts ?? [];
    if (!texts.some((text) => text.name === this.chosen.text)) {
      this.chosen.text = texts[0]?.name ?? null;
      this.chosen.step = Infinity;
    }
    this.chosen.step = Math.max(0, Math.min(this.chosen.step, this.moments(first).length - 1));
    const found = await Promise.all(this.panels.map((panel) => this.sentencesOf(panel.of())));
    if (this.asked !== asked) return;
    const sentences = this.listed(found[0]);
    if (!sentences.some((one) => one.number === this.chosen.number))
      this.chosen.number = sentences[0]?.number ?? null;
    this.panels.forEach((panel, i) => {
      panel.sentence = found[i].find((one) => one.number === this.chosen.number) ?? null;
    });
    this.control(texts, sentences);
    this.draw();
  }

  /** Return the sentences of the moment of a run that is shown; they are read once. */
  async sentencesOf(run) {
    const moment = this.moment(run);
    if (!moment) return [];
    if (!moment.sentences) {
      try {
        const answer = await fetch(moment.url);
        if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
        moment.sentences = (await answer.json()).sentences;
        this.message.textContent = "";
      } catch (error) {
        this.message.textContent = `The sentences cannot be read: ${error.message}`;
        return [];
      }
    }
    return moment.sentences;
  }

  /** Return sentences in the chosen order, those alone in which the search is found. */
  listed(sentences) {
    const searched = this.search.value.trim().toLowerCase();
    const found = sentences.filter((one) =>
      `${one.number}\n${one.source}\n${one.target}`.toLowerCase().includes(searched),
    );
    const orders = this.content.orders ?? {};
    const order = orders[this.selects.order.value] ?? Object.values(orders)[0];
    const place = ({ number }) => (order.includes(number) ? order.indexOf(number) : order.length);
    return order ? found.sort((a, b) => place(a) - place(b)) : found;
  }

  /** Have the controls offer what there is. */
  control(texts, sentences) {
    const { text, order, number, place, of } = this.selects;
    fill(text, texts.map((one) => [one.name, one.name]), this.chosen.text);
    const orders = Object.keys(this.content.orders ?? {});
    fill(order, orders.map((one) => [one, one]), order.value || orders[0]);
    fill(number, sentences.map((one) => [one.number, one.label ?? `${one.number}: ${clipped(one.source, 60)}`]),
      this.chosen.number);
    this.search.hidden = sentences.length < 10 && !this.search.value;
    const shownPlaces = this.panels.map((panel) => panel.sentence?.places ?? {});
    const places = Object.keys(Object.assign({}, ...shownPlaces));
    if (places.length && !places.includes(this.chosen.place)) this.chosen.place = places[0];
    fill(place, places.map((one) => [one, PLACES[one]]), this.chosen.place);
    const shownValues = shownPlaces.map((one) => one[this.chosen.place]?.values ?? {});
    const values = Object.keys(Object.assign({}, ...shownValues));
    if (values.length && !values.includes(this.chosen.of)) this.chosen.of = values[0];
    fill(of, values.map((one) => [one, one]), this.chosen.of);
    for (const [name, element] of Object.entries(this.boxes)) element.checked = this.chosen[name];
    const moments = this.moments(this.panels[0].of());
    this.steps.hidden = moments.length < 2;
    this.slider.max = Math.max(moments.length - 1, 0);
    this.slider.value = this.chosen.step;
    this.stepLabel.textContent = moments.length ? `step ${moments[this.chosen.step].step}` : "";
    this.panels.forEach((panel) => panel.control());
  }

  draw() {
    this.shared.replaceChildren(...listed(this.sharedTexts()));
    this.panels.forEach((panel) => panel.draw());
    this.drawMark();
  }

  /** Return [role, text] of what all panels have, once for them: source and reference. */
  sharedTexts() {
    const shown = this.panels.filter((panel) => panel.view).map((panel) => panel.sentence);
    if (shown.length < 2) return [];
    const same = (name) => shown.every((one) => one[name] === shown[0][name]);
    return ["source", "reference"].filter(same).map((name) => [name, shown[0][name]]);
  }

  /** Return [role, text] of what a panel alone has. */
  textsOf({ sentence }) {
    const role = sentence.reference ? "translation" : "target";
    const texts = [["source", sentence.source], [role, sentence.target], ["reference", sentence.reference]];
    const shared = this.sharedTexts().map(([name]) => name);
    return texts.filter(([name]) => !shared.includes(name));
  }

  /** Return the numbers of a sentence as they are chosen, with the labels of both axes. */
  view(sentence) {
    const place = sentence?.places[this.chosen.place];
    const packed = place?.values[this.chosen.of] ?? place?.values.weights;
    if (!packed) return null;
    const key = `${this.chosen.place} ${this.chosen.of} ${this.chosen.words}`;
    const known = this.cache.get(sentence) ?? {};
    if (!known[key]) {
      const [queries, keys] = AXES[this.chosen.place].map((name) => sentence.axes[name]);
      const maps = this.chosen.words ? merged(unpack(packed), queries, keys) : unpack(packed);
      const labels = (axis) => (this.chosen.words ? axis.words : (axis.labels ?? axis.pieces));
      const within = (axis) => (this.chosen.words ? [] : (axis.begins ?? []).map((begins) => !begins));
      known[key] = { maps, queries: labels(queries), keys: labels(keys), isShare: packed.share,
        within: { query: within(queries), key: within(keys) } };
      this.cache.set(sentence, known);
    }
    return { ...known[key], rows: place.rows, heads: place.heads };
  }

  /** Mark a query, a key or both; null: nothing. */
  point(mark, pin = false) {
    if (this.pinned && !pin) return;
    const same = mark && this.pinned && this.mark?.query === mark.query && this.mark?.key === mark.key;
    this.pinned = pin && Boolean(mark) && !same;
    this.mark = same ? null : mark;
    this.drawMark();
  }

  unmark() {
    this.pinned = false;
    this.mark = null;
  }

  drawMark() {
    this.panels.forEach((panel) => panel.drawMark(this.markIn(panel)));
  }

  /** Return what is marked in a panel: of another panel, the pieces that both have. */
  markIn(panel) {
    if (!this.mark || this.mark.panel === panel) return this.mark;
    const [here, there] = [panel.view, this.mark.panel.view];
    if (!here || !there) return null;
    const both = (axis, place) => (place !== null && here[axis].join(" ") === there[axis].join(" ") ? place : null);
    const mark = { query: both("queries", this.mark.query), key: both("keys", this.mark.key) };
    return mark.query === null && mark.key === null ? null : mark;
  }

  playing() {
    this.play.textContent = this.timer ? "play" : "stop";
    if (this.timer) {
      clearInterval(this.timer);
      this.timer = null;
      return;
    }
    const next = () => this.choose({ step: (this.chosen.step + 1) % (Number(this.slider.max) + 1) });
    this.timer = setInterval(next, PACE);
  }

  onKey(event) {
    const busy = /^(SELECT|INPUT|TEXTAREA|BUTTON|SUMMARY)$/.test(event.target.tagName);
    if (busy || event.ctrlKey || event.altKey || event.metaKey) return;
    const panel = this.mark?.panel ?? this.panels[0];
    const turn = (select, by) => {
      const number = select.options.length;
      if (number) select.selectedIndex = (select.selectedIndex + by + number) % number;
      select.dispatchEvent(new Event("change"));
    };
    const step = (by) => this.choose({ step: this.chosen.step + by });
    const actions = {
      ArrowUp: () => panel.move(-1, 0),
      ArrowDown: () => panel.move(1, 0),
      ArrowLeft: () => panel.move(0, -1),
      ArrowRight: () => panel.move(0, 1),
      h: () => turn(panel.selects.head, 1),
      H: () => turn(panel.selects.head, -1),
      l: () => turn(panel.selects.layer, 1),
      L: () => turn(panel.selects.layer, -1),
      m: () => panel.choose(null, null),
      k: () => turn(this.selects.place, 1),
      w: () => this.choose({ words: !this.chosen.words }),
      r: () => this.choose({ root: !this.chosen.root }),
      n: () => turn(this.selects.number, 1),
      p: () => turn(this.selects.number, -1),
      ".": () => step(1),
      ",": () => step(-1),
      " ": () => this.steps.hidden || this.playing(),
      Escape: () => this.point(null, true),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }
}

// ---- one run -----------------------------------------------------------------------------------

class Panel {
  constructor(explorer, place) {
    this.explorer = explorer;
    this.place = place;
    this.run = place; // its number; null: the panel is empty
    this.layer = this.head = null; // null: the mean
    this.sentence = this.view = null;
    this.element = make("section", { className: "panel" });
    const bar = make("div", { className: "bar" });
    const run = choice(bar, place ? "beside" : "run", (value) => {
      this.run = asNumber(value);
      this.layer = this.head = null;
      explorer.choose({});
    });
    this.selects = {
      run,
      layer: choice(bar, "layer", (value) => this.choose(asNumber(value), this.head)),
      head: choice(bar, "head", (value) => this.choose(this.layer, asNumber(value))),
    };
    this.best = make("button", {
      type: "button",
      textContent: "best head",
      title: "the attention that aligns best: as guide= or nmt align has it, else by these gold links",
      onclick: () => this.chooseBest(),
    });
    bar.append(this.best);
    this.texts = make("dl", { className: "texts" });
    this.thumbs = make("div", { className: "thumbs" });
    this.value = make("output", { className: "value" });
    this.lines = make("div", { className: "lines" });
    this.matrix = make("div", { className: "matrix" });
    const both = make("div", { className: "both" }, this.lines, make("div", { className: "scroll" }, this.matrix));
    this.body = make("div", {}, this.texts, this.thumbs, this.value, both);
    this.element.append(bar, this.body);
    this.listen();
  }

  /** The run that is shown; undefined: none. */
  of() {
    return this.run === null ? undefined : this.explorer.runs[this.run];
  }

  /** Have pieces, lines and cells mark what they belong to. */
  listen() {
    const marked = (event) => {
      const { query, key } = event.target.dataset ?? {};
      if (event.target === this.canvas) return this.cellAt(event);
      if (query === undefined && key === undefined) return null;
      return { query: query === undefined ? null : Number(query), key: key === undefined ? null : Number(key), panel: this };
    };
    for (const part of [this.lines, this.matrix]) {
      part.addEventListener("pointermove", (event) => this.explorer.point(marked(event)));
      part.addEventListener("pointerleave", () => this.explorer.point(null));
      part.addEventListener("click", (event) => this.explorer.point(marked(event), true));
    }
    this.thumbs.addEventListener("click", (event) => {
      if (event.target !== this.tiles) return;
      const box = this.tiles.getBoundingClientRect();
      const part = (at, start, size, number) => Math.min(Math.floor(((at - start) / size) * number), number - 1);
      const { rows, columns } = this;
      this.choose(
        rows[part(event.clientY, box.top, box.height, rows.length)],
        columns[part(event.clientX, box.left, box.width, columns.length)],
      );
    });
  }

  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const query = Math.floor(((event.clientY - box.top) / box.height) * this.view.queries.length);
    const key = Math.floor(((event.clientX - box.left) / box.width) * this.view.keys.length);
    const inside = query >= 0 && key >= 0 && query < this.view.queries.length && key < this.view.keys.length;
    return inside ? { query, key, panel: this } : null;
  }

  choose(layer, head) {
    Object.assign(this, { layer, head });
    this.control();
    this.draw();
    this.explorer.drawMark();
  }

  chooseBest() {
    this.choose(...(this.known() ?? bestHead(this.view.maps, this.gold())));
  }

  /** The attention that the run is known to align best with, [layer, head]; null: of another kind. */
  known() {
    return (this.explorer.chosen.place === "cross" && this.of()?.best) || null;
  }

  /** The gold links of the sentence in what is shown, pieces or words; none: there are none. */
  gold() {
    if (this.explorer.chosen.place !== "cross") return [];
    return this.sentence?.gold?.[this.explorer.chosen.words ? "words" : "pieces"] ?? [];
  }

  move(down, across) {
    if (!this.view) return;
    const at = this.explorer.mark ?? { query: null, key: null };
    const turned = (place, by, number) => (place === null ? (by ? 0 : null) : (place + by + number) % number);
    const query = turned(at.query ?? (across ? 0 : null), down, this.view.queries.length);
    this.explorer.pinned = false;
    this.explorer.point({ query, key: turned(at.key, across, this.view.keys.length), panel: this }, true);
  }

  /** Have the controls offer what there is. */
  control() {
    const { run, layer, head } = this.selects;
    const names = this.explorer.runs.map((one, number) => [number, one.name]);
    fill(run, this.place ? [["null", "nothing"], ...names] : names, this.run);
    run.closest("label").hidden = names.length < 2;
    this.view = this.explorer.view(this.sentence);
    this.body.hidden = !this.view;
    this.element.classList.toggle("empty", !this.view);
    const [layers, heads] = this.view?.maps.shape ?? [0, 0];
    const range = (number) => Array.from({ length: number }, (_, place) => place);
    if (this.layer !== null && this.layer >= layers) this.layer = null;
    if (this.head !== null && this.head >= heads) this.head = null;
    const means = (pairs) => (pairs.length > 1 ? [["null", "mean"], ...pairs] : pairs);
    const name = (place) => this.view.rows?.[place]?.replace(/^layer /, "") || place + 1;
    fill(layer, means(range(layers).map((place) => [place, name(place)])), layers > 1 ? this.layer : 0);
    const nameOfHead = (place) => this.view.heads?.[place]?.replace(/^head /, "") || place + 1;
    fill(head, means(range(heads).map((place) => [place, nameOfHead(place)])), heads > 1 ? this.head : 0);
    this.rows = layers > 1 ? [...range(layers), null] : [null];
    this.columns = heads > 1 ? [...range(heads), null] : [null];
    this.best.hidden = !this.view || layers * heads < 2 || (!this.known() && !this.gold().length);
  }

  draw() {
    this.texts.replaceChildren();
    if (!this.view) {
      this.value.textContent = "";
      return;
    }
    this.texts.append(...listed(this.explorer.textsOf(this)));
    this.weights = matrixOf(this.view.maps, this.layer, this.head);
    this.largest = this.view.isShare ? 1 : Math.max(...this.weights) || 1;
    this.drawThumbs();
    this.drawLines();
    this.drawMatrix();
  }

  row(query) {
    const number = this.view.keys.length;
    return this.weights.subarray(query * number, (query + 1) * number);
  }

  /** Draw all layers and heads, their means last: layers down, heads across. */
  drawThumbs() {
    const { maps } = this.view;
    const [, , T, S] = maps.shape;
    const { rows, columns } = this;
    this.thumbs.hidden = rows.length * columns.length < 2;
    if (this.thumbs.hidden) return;
    const side = columns.length > 9 ? 32 : 48;
    const colours = this.colours();
    const all = make("canvas", { width: columns.length * S, height: rows.length * T }); // a pixel a weight
    this.tiles = make("canvas", { width: columns.length * side, height: rows.length * side });
    const context = this.tiles.getContext("2d");
    context.imageSmoothingEnabled = Math.max(S, T) > side;
    rows.forEach((layer, down) =>
      columns.forEach((head, across) => {
        const image = painted(matrixOf(maps, layer, head), T, S, this.largest, colours, this.explorer.chosen.root);
        all.getContext("2d").putImageData(image, across * S, down * T);
      }),
    );
    for (let down = 0; down < rows.length; down++)
      for (let across = 0; across < columns.length; across++) {
        const [left, top, size] = [across * side + 2, down * side + 2, side - 4];
        context.drawImage(all, across * S, down * T, S, T, left, top, size, size);
      }
    const chosen = make("div", { className: "chosen" });
    Object.assign(chosen.style, {
      left: `${columns.indexOf(columns.length > 1 ? this.head : null) * side}px`,
      top: `${rows.indexOf(rows.length > 1 ? this.layer : null) * side}px`,
      width: `${side}px`,
      height: `${side}px`,
    });
    this.tiles.title = "layers down, heads across, means last: click to choose";
    this.thumbs.replaceChildren(this.tiles, chosen);
  }

  /** Return the colours of weights from 0 to 1, or from -1 where one is negative, at equal distances. */
  colours() {
    const signed = this.view.maps.values.some((weight) => weight < 0);
    const style = getComputedStyle(this.explorer.root).getPropertyValue(signed ? "--signed" : "--scale");
    return { signed, steps: style.trim().split(" ").map((one) => one.split(",").map(Number)) }; // [[red, green, blue]]
  }

  /** Draw both sentences, what is looked at on the left, with a line for each weight. */
  drawLines() {
    const { keys, queries } = this.view;
    const column = (labels, name) =>
      make("ol", { className: name }, ...labels.map((label, place) => {
        const item = make("li", { dir: "auto", textContent: label, title: label });
        item.classList.toggle("continues", Boolean(this.view.within[name][place]));
        item.dataset[name] = place;
        return item;
      }));
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const height = Math.max(keys.length, queries.length) * CELL;
    svg.setAttribute("height", height);
    svg.setAttribute("viewBox", `0 0 100 ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    for (let query = 0; query < queries.length; query++) {
      const row = this.row(query);
      for (let key = 0; key < keys.length; key++) {
        const share = row[key] / this.largest;
        if (share < FAINT) continue;
        const line = document.createElementNS(svg.namespaceURI, "line");
        const ends = { x1: 0, y1: (key + 0.5) * CELL, x2: 100, y2: (query + 0.5) * CELL };
        for (const [name, value] of Object.entries(ends)) line.setAttribute(name, value);
        Object.assign(line.dataset, { query, key });
        line.style.strokeOpacity = Math.min(1, share).toFixed(3);
        line.style.strokeWidth = (1 + 3 * Math.min(1, share)).toFixed(2);
        svg.append(line);
      }
    }
    this.lines.replaceChildren(column(keys, "key"), svg, column(queries, "query"));
  }

  /** Draw the matrix, queries down and keys across, with what is known of each row beside it. */
  drawMatrix() {
    const { keys, queries } = this.view;
    const size = { width: `${keys.length * CELL}px`, height: `${queries.length * CELL}px` };
    this.canvas = make("canvas", { width: keys.length, height: queries.length, className: "cells" });
    const image = painted(this.weights, queries.length, keys.length, this.largest, this.colours(), this.explorer.chosen.root);
    this.canvas.getContext("2d").putImageData(image, 0, 0);
    Object.assign(this.canvas.style, size);
    const labels = (texts, name) =>
      make("div", { className: `${name} labels` }, ...texts.map((text, place) => {
        const label = make("span", { dir: "auto", textContent: text, title: text });
        label.classList.toggle("continues", Boolean(this.view.within[name][place]));
        label.dataset[name] = place;
        return label;
      }));
    this.cell = make("div", { className: "cell", hidden: true });
    this.across = make("div", { className: "across", hidden: true });
    this.down = make("div", { className: "down", hidden: true });
    const cells = make("div", { className: "layers" }, this.canvas, ...this.boxes(), this.across, this.down, this.cell);
    Object.assign(cells.style, size);
    const [heads, rows] = this.measures();
    const numbers = make("div", { className: "numbers" }, ...rows.flat().map((text) => make("span", { textContent: text })));
    const titles = make("div", { className: "titles" },
      ...heads.map(([name, title]) => make("span", { textContent: name, title })));
    numbers.style.gridTemplateColumns = titles.style.gridTemplateColumns = `repeat(${heads.length}, 3.4em)`;
    this.matrix.replaceChildren(make("div", { className: "corner" }), labels(keys, "key"), titles,
      labels(queries, "query"), cells, numbers);
  }

  /** Return a box around the cell of each gold link. */
  boxes() {
    return this.gold().map(([source, target, sure]) => {
      const box = make("div", { className: sure ? "gold sure" : "gold" });
      Object.assign(box.style, { left: `${source * CELL}px`, top: `${target * CELL}px` });
      return box;
    });
  }

  /** Return what is measured of each query: [name, meaning] of the columns, and the rows. */
  measures() {
    const { chosen } = this.explorer;
    const isDecoder = chosen.place === "decoder";
    const logP = chosen.place === "cross" ? this.logP() : null;
    const heads = [
      ...(logP ? [["ln P", "log-probability of the piece"]] : []),
      ["H", "entropy of the row in nats: 0 is one key, ln S is all alike"],
      ["sink", `share of the row on ${isDecoder ? "<s>" : "</s>"} and on no key at all`],
    ];
    const rows = this.view.queries.map((_, query) => {
      const found = [entropy(this.row(query), this.view.isShare), this.sink(query)];
      return (logP ? [logP[query], ...found] : found).map((one) => (one === null ? "" : shown(one)));
    });
    return [heads, rows];
  }

  /** Return ln P of each query; of a word, the sum of its pieces. */
  logP() {
    const { log_p: found, axes } = this.sentence;
    if (!found || !this.explorer.chosen.words) return found ?? null;
    const sums = new Array(axes.target.words.length).fill(0);
    found.forEach((one, place) => (sums[axes.target.word[place]] += one ?? 0));
    return sums;
  }

  /** Return the share of a row on the mark at which attention rests, and on no key. */
  sink(query) {
    const row = this.row(query);
    const total = row.reduce((sum, one) => sum + one, 0);
    const mark = row[this.explorer.chosen.place === "decoder" ? 0 : row.length - 1];
    return this.view.isShare ? mark + Math.max(0, 1 - total) : mark / (total || 1);
  }

  /** Show what is marked in every form: pieces, lines, cell; and say its value. */
  drawMark(mark) {
    if (!this.view) return;
    const { query = null, key = null } = mark ?? {};
    const isOf = (one) =>
      (one.query === undefined || Number(one.query) === query) && (one.key === undefined || Number(one.key) === key);
    for (const item of this.element.querySelectorAll("li, .labels span")) {
      item.classList.toggle("marked", mark !== null && isOf(item.dataset));
      const { query: itsQuery, key: itsKey } = item.dataset;
      let weight = 0;
      if (query !== null && itsKey !== undefined) weight = this.row(query)[itsKey];
      if (query === null && key !== null && itsQuery !== undefined) weight = this.row(itsQuery)[key];
      item.style.setProperty("--weight", Math.min(1, weight / this.largest).toFixed(3));
    }
    this.lines.classList.toggle("some", mark !== null);
    for (const line of this.lines.querySelectorAll("line")) {
      const { query: itsQuery, key: itsKey } = line.dataset;
      line.classList.toggle("marked", mark !== null && (query === null || Number(itsQuery) === query) &&
        (key === null || Number(itsKey) === key));
    }
    this.across.hidden = query === null;
    this.down.hidden = key === null;
    this.cell.hidden = query === null || key === null;
    this.across.style.top = this.cell.style.top = `${query * CELL}px`;
    this.down.style.left = this.cell.style.left = `${key * CELL}px`;
    this.value.replaceChildren(...(mark ? this.said(query, key) : ["Point at a piece, a line or a cell."]));
  }

  /** Say what is marked, as nodes: pieces of any direction stay where they are. */
  said(query, key) {
    const { queries, keys } = this.view;
    const listed = (places, labels, weight) =>
      places.flatMap((place, i) => [i ? ", " : "", isolated(labels[place]), ` ${shown(weight(place))}`]);
    const most = (labels, weight) =>
      labels.map((_, place) => place).sort((a, b) => weight(b) - weight(a)).slice(0, NAMED);
    if (query === null) {
      const weight = (place) => this.row(place)[key];
      return [isolated(keys[key]), " ← ", ...listed(most(queries, weight), queries, weight)];
    }
    const weight = (place) => this.row(query)[place];
    const named = key === null ? most(keys, weight) : [key];
    const [heads, rows] = this.measures();
    const measured = heads.map(([name], column) => ` · ${name} ${rows[query][column]}`);
    const isPiece = this.explorer.chosen.place === "cross" && !this.explorer.chosen.words;
    const next = (isPiece && this.sentence.next?.[query]) || [];
    const beside = next.flatMap(([piece, p], i) => [i ? ", " : " · beside it: ", isolated(piece), ` ${(100 * p).toFixed(1)} %`]);
    return [isolated(queries[query]), " → ", ...listed(named, keys, weight), ...measured, ...beside];
  }
}

/** Paint a matrix, a pixel for each weight, in the colour of its share, or of the root of that. */
function painted(matrix, height, width, largest, { signed, steps }, root) {
  const image = new ImageData(width, height);
  const last = steps.length - 1;
  for (let i = 0; i < matrix.length; i++) {
    const share = Math.min(1, Math.max(signed ? -1 : 0, matrix[i] / largest));
    const size = root ? Math.sign(share) * Math.sqrt(Math.abs(share)) : share;
    const place = last * (signed ? (1 + size) / 2 : size);
    const step = Math.min(Math.floor(place), last - 1);
    for (let part = 0; part < 3; part++) {
      const [low, high] = [steps[step][part], steps[step + 1][part]];
      image.data[4 * i + part] = low + (place - step) * (high - low);
    }
    image.data[4 * i + 3] = 255;
  }
  return image;
}
