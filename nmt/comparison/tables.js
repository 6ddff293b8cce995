// Tables that sort: click a heading, once more for the other direction. What is folded is printed.

if (document.getElementById("explorer")) document.documentElement.classList.add("touched");
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));

/** Return what a cell is sorted by: its first number, else its text. */
function keyOf(row, column) {
  const text = row.cells[column]?.textContent.trim() ?? "";
  const number = parseFloat(text.replace(/[,<>≤+ ]/g, "").replace("−", "-"));
  return { text, number };
}

function compare(a, b) {
  const [numbers, missing] = [!isNaN(a.number) && !isNaN(b.number), !a.text - !b.text];
  return missing || (numbers ? a.number - b.number : a.text.localeCompare(b.text));
}

function sort(table, heading, column) {
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.rows].slice(1);
  const sorted = rows
    .map((row) => [keyOf(row, column), row])
    .sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)))
    .map(([, row]) => row);
  rows[0]?.parentElement.append(...sorted);
}

for (const table of document.querySelectorAll("table.sorts"))
  [...table.rows[0].cells].forEach((heading, column) => {
    heading.tabIndex = 0;
    heading.addEventListener("click", () => sort(table, heading, column));
    heading.addEventListener("keydown", (event) => event.key === "Enter" && sort(table, heading, column));
  });
