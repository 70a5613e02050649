// Lines over time in one drawing, read by pointer or arrow keys. What is null is a gap, never zero.

import { draw, hideTip, make, showTip, text } from "./dom.js";

const WIDTH = 640;
const HEIGHT = 240;
const EDGE = { left: 46, right: 14, top: 10, bottom: 26 };

/**
 * `form` says what is drawn:
 *   lines   [{name, label, of(row), shown(value)}]: the class of a line, its name, its value in a row, how that is written
 *   at      (row) => text on the axis; few fit beside each other
 *   tell    (row) => what the tooltip says
 *   says    (rows) => what the whole drawing says to who cannot see it
 *   axis    (value) => how a value is written on the axis
 *   least   the axis goes at least so far
 *   empty   what is shown without rows
 */
export class Curve {
  constructor(box) {
    this.box = box;
    this.rows = [];
    this.key = null;
    this.form = null;
    this.at = null;
  }

  /** Draws these rows; `of` says what they are of. */
  show(rows, form, of) {
    const key = JSON.stringify([of, rows, this.box.clientWidth]);
    if (key === this.key) return;
    this.key = key;
    this.rows = rows;
    if (!rows.length) {
      this.svg = null;
      this.box.replaceChildren(make("p", {}, form.empty));
      return;
    }
    const other = JSON.stringify(form.lines.map((line) => line.label)) !== JSON.stringify(this.form?.lines.map((line) => line.label));
    this.form = form;
    if (!this.svg || other) this.#build();
    this.#draw();
  }

  #build() {
    this.at = null;
    this.values = this.form.lines.map(() => make("b"));
    const line = ({ name, label }, n) => make("li", { class: name }, make("i", { "aria-hidden": "true" }), `${label} `, this.values[n]);
    const list = make("ul", { class: "lines" }, ...this.form.lines.map(line));
    this.svg = draw("svg", { tabindex: "0", role: "img" });
    this.svg.addEventListener("pointermove", (event) => this.#point(event));
    this.svg.addEventListener("pointerleave", () => this.#leave());
    this.svg.addEventListener("blur", () => this.#leave());
    this.svg.addEventListener("focus", () => this.svg.matches(":focus-visible") && this.#tell(this.at ?? this.rows.length - 1));
    this.svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.#tell(Math.min(Math.max((this.at ?? this.rows.length - 1) + step, 0), this.rows.length - 1));
    });
    this.box.replaceChildren(list, this.svg);
  }

  #draw() {
    const { rows, form } = this;
    const seen = form.lines.flatMap((line) => rows.map(line.of)).filter((value) => value !== null);
    form.lines.forEach((line, n) => {
      const last = rows.map(line.of).findLast((value) => value !== null);
      text(this.values[n], last === undefined ? "–" : line.shown(last));
    });
    // Drawn in the size it is shown in, so that text keeps its size on a narrow screen.
    const width = Math.max(this.box.clientWidth || WIDTH, 240);
    const [step, most] = scale(Math.max(form.least ?? 1, ...seen));
    const low = Math.min(0, ...seen) < 0 ? -Math.ceil(-Math.min(...seen) / step) * step : 0;
    const inner = width - EDGE.left - EDGE.right;
    this.x = (n) => EDGE.left + (rows.length > 1 ? (n * inner) / (rows.length - 1) : inner / 2);
    this.y = (value) => HEIGHT - EDGE.bottom - ((value - low) * (HEIGHT - EDGE.top - EDGE.bottom)) / (most - low);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.setAttribute("aria-label", `${form.says(rows)} Arrow keys read them one by one.`);
    const grid = draw("g", { class: "grid" });
    const axis = draw("g", { class: "axis", "aria-hidden": "true" });
    for (let value = low; value <= most + step / 2; value += step) {
      const y = this.y(value);
      grid.append(draw("line", { x1: EDGE.left, x2: width - EDGE.right, y1: y, y2: y }));
      axis.append(draw("text", { x: EDGE.left - 8, y: y + 4, "text-anchor": "end" }, form.axis(value)));
    }
    const every = Math.ceil(rows.length / Math.max(Math.floor(inner / 78), 2));
    for (let n = rows.length - 1; n >= 0; n -= every) {
      const x = this.x(n);
      const anchor = rows.length > 1 && n === rows.length - 1 ? "end" : x - EDGE.left < 20 ? "start" : "middle";
      const shown = anchor === "end" ? width - EDGE.right : x;
      axis.append(draw("text", { x: shown, y: HEIGHT - 8, "text-anchor": anchor }, form.at(rows[n])));
    }
    this.cross = draw("g", { class: "cross", visibility: "hidden" });
    this.svg.replaceChildren(grid, axis, ...form.lines.toReversed().map((line) => this.#line(line)), this.cross);
    if (this.at !== null) this.#tell(Math.min(this.at, rows.length - 1));
  }

  #line({ name, of }) {
    let path = "";
    let open = false;
    this.rows.map(of).forEach((value, n, all) => {
      if (value !== null) {
        path += `${open ? "L" : "M"}${this.x(n).toFixed(1)},${this.y(value).toFixed(1)} `;
        // A value with nothing beside it is a dot.
        if (!open && (all[n + 1] ?? null) === null) path += "l0.01,0 ";
      }
      open = value !== null;
    });
    return draw("path", { class: name, d: path.trim() });
  }

  #point(event) {
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) * this.svg.viewBox.baseVal.width) / box.width;
    const gap = this.rows.length > 1 ? this.x(1) - this.x(0) : 1;
    this.#tell(Math.min(Math.max(Math.round((x - this.x(0)) / gap), 0), this.rows.length - 1));
  }

  #tell(n) {
    this.at = n;
    const row = this.rows[n];
    const x = this.x(n);
    const dots = this.form.lines.filter((line) => line.of(row) !== null);
    this.cross.replaceChildren(
      draw("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
      ...dots.map((line) => draw("circle", { class: line.name, cx: x, cy: this.y(line.of(row)), r: 5 })),
    );
    this.cross.setAttribute("visibility", "visible");
    const words = this.form.tell(row);
    showTip(this, words, this.cross);
    this.svg.setAttribute("aria-description", words.replaceAll("\n", ", "));
  }

  #leave() {
    this.at = null;
    this.cross?.setAttribute("visibility", "hidden");
    hideTip(this);
  }
}

/** A step of 1, 2 or 5 times a power of ten that gives three to six lines, and where the axis ends. */
function scale(most) {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((n) => n * power >= rough * (1 - 1e-9)) * power;
  const whole = most >= 4 ? Math.max(Math.round(step), 1) : step;
  return [whole, Math.max(Math.ceil(most / whole - 1e-9), 1) * whole];
}
