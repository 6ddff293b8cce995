// The tab of TensorBoard, which calls `render` in a frame of its own.
import { explore } from "./attention.js";

const here = (path) => new URL(path, import.meta.url).href;

export async function render() {
  document.head.append(
    Object.assign(document.createElement("link"), { rel: "stylesheet", href: here("./attention.css") }),
  );
  const content = await (await fetch(here("./document"))).json();
  for (const run of content.runs)
    for (const text of run.texts)
      for (const moment of text.moments) moment.url = here(`./${moment.url}`);
  explore(document.body, content);
}
