// The cohort triangle: a table of shares, walked by arrow keys, changed in place as figures arrive.

import { attribute, hideTip, make, showTip, text } from "./dom.js";
import { cohort, count, exact, segment, share } from "./words.js";

const COLUMNS = { hour: 73, day: 91, week: 53, month: 37, quarter: 21, "half-year": 10 };
const ROWS = { hour: 72, day: 60, week: 53, month: 37, quarter: 21, "half-year": 10 };

export class Heat {
  constructor(box, top, note) {
    this.box = box;
    this.top = top;
    this.note = note;
    this.shape = null;
    this.cells = [];
    this.place = [0, 1];
    box.addEventListener("keydown", (event) => this.#walk(event));
    box.addEventListener("pointerover", (event) => this.#tell(event.target.closest("td")));
    box.addEventListener("pointerleave", () => hideTip(this));
    box.addEventListener("focusin", (event) => this.#enter(event.target.closest("td")));
    box.addEventListener("focusout", () => hideTip(this));
  }

  /** How many of the latest cohorts to ask for. */
  static rows(grain) {
    return ROWS[grain];
  }

  /** Shows one segment's cohorts; `judged` is the cell an alert points to, {cohort, index}. */
  show(answer, part, judged) {
    const cohorts = part ? part.cohorts.toReversed() : [];
    if (!cohorts.length) {
      if (this.shape !== "") this.box.replaceChildren(make("p", {}, "No cohort yet for this choice."));
      this.shape = "";
      return;
    }
    const longest = Math.max(...cohorts.map((one) => one.retained.length));
    const width = Math.min(longest, COLUMNS[answer.grain]);
    const shape = JSON.stringify([answer.grain, answer.brackets, width, cohorts.map((c) => [c.start, Math.min(c.retained.length, width)])]);
    if (shape !== this.shape) this.#build(answer, cohorts, width);
    this.shape = shape;
    const most = ceiling(cohorts, width);
    cohorts.forEach((one, row) => {
      text(this.sizes[row], count(one.size));
      this.cells[row].forEach((cell, k) => paint(cell, one, k, most, answer, part));
    });
    this.#mark(judged, cohorts);
    text(this.top, `${Math.round(100 * most)} %`);
    text(this.note, width < longest ? `The first ${width - 1} of ${longest - 1} ${answer.grain}s are shown.` : "");
  }

  #build(answer, cohorts, width) {
    const focused = this.box.contains(document.activeElement);
    const unit = answer.grain[0].toUpperCase() + answer.grain.slice(1);
    const head = make("tr", {}, make("th", { class: "row", scope: "col" }, "Cohort"), make("th", { class: "size", scope: "col" }, "Users"));
    for (let k = 0; k < width; k += 1) {
      head.append(make("th", { scope: "col", "aria-label": `${unit} ${index(answer, k)}` }, k === 0 ? `${unit} 0` : index(answer, k)));
    }
    this.sizes = [];
    this.cells = [];
    const body = make("tbody");
    for (const [row, one] of cohorts.entries()) {
      const size = make("td", { class: "size" });
      const line = make("tr", {}, make("th", { class: "row", scope: "row" }, cohort(one.start, answer.grain)), size);
      const cells = one.retained.slice(0, width).map((_, k) => make("td", { tabindex: "-1", "data-at": `${row},${k}` }));
      line.append(...cells);
      this.sizes.push(size);
      this.cells.push(cells);
      body.append(line);
    }
    const table = make("table", { role: "grid", "aria-labelledby": "retention-title", "aria-describedby": "retention-says" }, make("thead", {}, head), body);
    const scrolled = [this.box.scrollLeft, this.box.scrollTop];
    this.box.replaceChildren(table);
    [this.box.scrollLeft, this.box.scrollTop] = scrolled;
    const row = Math.min(this.place[0], this.cells.length - 1);
    this.place = [row, Math.min(this.place[1], this.cells[row].length - 1)];
    const cell = this.cells[this.place[0]][this.place[1]];
    cell.tabIndex = 0;
    if (focused) cell.focus();
  }

  #mark(judged, cohorts) {
    for (const cell of this.box.querySelectorAll(".judged")) cell.classList.remove("judged");
    const row = judged ? cohorts.findIndex((one) => one.start === judged.cohort) : -1;
    const cell = row < 0 ? undefined : this.cells[row][judged.index];
    cell?.classList.add("judged");
    if (cell && this.shown !== judged.key) {
      // Whoever followed an alert's link is brought to the cell, once.
      cell.scrollIntoView({ block: "center", inline: "center" });
      cell.focus({ preventScroll: true });
    }
    this.shown = cell ? judged.key : null;
  }

  #walk(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const cell = event.target.closest("td[data-at]");
    if (!cell || (!step && event.key !== "Home" && event.key !== "End")) return;
    event.preventDefault();
    const [row, k] = cell.dataset.at.split(",").map(Number);
    const to = Math.min(Math.max(row + (step ? step[0] : 0), 0), this.cells.length - 1);
    const line = this.cells[to];
    const wanted = step ? k + step[1] : event.key === "Home" ? 0 : line.length - 1;
    line[Math.min(Math.max(wanted, 0), line.length - 1)]?.focus();
  }

  #enter(cell) {
    if (!cell?.dataset.at) return;
    const [row, k] = this.place;
    const before = this.cells[row]?.[k];
    if (before) before.tabIndex = -1;
    this.place = cell.dataset.at.split(",").map(Number);
    cell.tabIndex = 0;
    this.#reveal(cell);
    this.#tell(cell);
  }

  #reveal(cell) {
    // The sticky columns hide what the browser thinks is in view.
    const fixed = this.sizes[0].getBoundingClientRect().right;
    const at = cell.getBoundingClientRect();
    if (at.left < fixed) this.box.scrollLeft -= fixed - at.left + 8;
  }

  #tell(cell) {
    if (!cell?.dataset.at) hideTip(this);
    else showTip(this, cell.dataset.tip, cell);
  }
}

/** What a column is of: its period index, or those of its bracket. */
function index(answer, k) {
  const { from, to } = (answer.brackets && answer.brackets[k - 1]) || { from: k, to: k };
  return from === to ? String(from) : `${from} to ${to}`;
}

/** The share that has the deepest colour: the largest beyond index 0, at least 10 %, in steps of 10 %. */
function ceiling(cohorts, width) {
  let most = 0;
  for (const one of cohorts) {
    for (const users of one.retained.slice(1, width)) if (users !== null) most = Math.max(most, users / one.size);
  }
  return Math.min(1, Math.max(0.1, Math.ceil(most * 10 - 1e-9) / 10));
}

function paint(cell, one, k, most, answer, part) {
  const users = one.retained[k];
  const where = `${segment(part.segment)}, cohort ${cohort(one.start, answer.grain)}, ${answer.grain} ${index(answer, k)}`;
  if (users === null) {
    text(cell, "");
    attribute(cell, "class", "open");
    cell.dataset.tip = `${where}\nNot yet observed: this ${answer.grain} has not closed.`;
  } else {
    const depth = Math.min(users / one.size / most, 1);
    text(cell, share(users, one.size));
    // Where dark text must give way to light text differs between the light and the dark scheme.
    attribute(cell, "class", k === 0 ? "base" : depth > 0.72 ? "seen half deep" : depth > 0.6 ? "seen half" : "seen");
    cell.style.setProperty("--v", `${(100 * depth).toFixed(1)}%`);
    cell.dataset.tip = `${where}\n${count(users)} of ${count(one.size)} users, ${exact(users, one.size)}`;
  }
  attribute(cell, "aria-label", cell.dataset.tip.replace("\n", ": "));
}
