// Customers active and churned by closed day: two lines in one drawing, read by pointer or arrow keys.

import { draw, hideTip, make, showTip, text } from "./dom.js";
import { compact, count, date } from "./words.js";

const WIDTH = 640;
const HEIGHT = 240;
const EDGE = { left: 46, right: 14, top: 10, bottom: 26 };

export class Churn {
  constructor(box) {
    this.box = box;
    this.days = [];
    this.key = null;
    this.at = null;
  }

  /** Draws the days of one segment. */
  show(part) {
    const days = part ? part.days : [];
    const key = JSON.stringify([part?.segment, days, this.box.clientWidth]);
    if (key === this.key) return;
    this.key = key;
    this.days = days;
    if (!days.length) {
      this.svg = null;
      this.box.replaceChildren(make("p", {}, "No day has closed yet for this choice."));
      return;
    }
    if (!this.svg) this.#build();
    this.#draw();
  }

  #build() {
    this.active = make("b");
    this.churned = make("b");
    const line = (name, label, value) => make("li", { class: name }, make("i", { "aria-hidden": "true" }), `${label} `, value);
    const list = make("ul", { class: "lines" }, line("active", "active", this.active), line("churned", "churned", this.churned));
    this.svg = draw("svg", { tabindex: "0", role: "img" });
    this.svg.addEventListener("pointermove", (event) => this.#point(event));
    this.svg.addEventListener("pointerleave", () => this.#leave());
    this.svg.addEventListener("blur", () => this.#leave());
    this.svg.addEventListener("focus", () => this.svg.matches(":focus-visible") && this.#tell(this.at ?? this.days.length - 1));
    this.svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.#tell(Math.min(Math.max((this.at ?? this.days.length - 1) + step, 0), this.days.length - 1));
    });
    this.box.replaceChildren(list, this.svg);
  }

  #draw() {
    const days = this.days;
    const last = days.at(-1);
    text(this.active, count(last.active));
    text(this.churned, count(last.churned));
    // Drawn in the size it is shown in, so that text keeps its size on a narrow screen.
    const width = Math.max(this.box.clientWidth || WIDTH, 240);
    const [step, most] = scale(Math.max(...days.map((day) => Math.max(day.active, day.churned))));
    const inner = width - EDGE.left - EDGE.right;
    this.x = (n) => EDGE.left + (days.length > 1 ? (n * inner) / (days.length - 1) : inner / 2);
    this.y = (value) => HEIGHT - EDGE.bottom - (value * (HEIGHT - EDGE.top - EDGE.bottom)) / most;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.setAttribute(
      "aria-label",
      `Line chart, ${days.length} closed days, ${days[0].date} to ${last.date}. On the last: ` +
        `${count(last.active)} active and ${count(last.churned)} churned of ${count(last.customers)} customers. Arrow keys read the days.`,
    );
    const grid = draw("g", { class: "grid" });
    const axis = draw("g", { class: "axis", "aria-hidden": "true" });
    for (let value = 0; value <= most; value += step) {
      const y = this.y(value);
      grid.append(draw("line", { x1: EDGE.left, x2: width - EDGE.right, y1: y, y2: y }));
      axis.append(draw("text", { x: EDGE.left - 8, y: y + 4, "text-anchor": "end" }, compact(value)));
    }
    const every = Math.ceil(days.length / Math.max(Math.floor(inner / 78), 2));
    for (let n = days.length - 1; n >= 0; n -= every) {
      const x = this.x(n);
      const anchor = days.length > 1 && n === days.length - 1 ? "end" : x - EDGE.left < 20 ? "start" : "middle";
      const shown = anchor === "end" ? width - EDGE.right : x;
      axis.append(draw("text", { x: shown, y: HEIGHT - 8, "text-anchor": anchor }, date(days[n].date)));
    }
    this.cross = draw("g", { class: "cross", visibility: "hidden" });
    this.svg.replaceChildren(grid, axis, this.#line("churned"), this.#line("active"), this.cross);
    if (this.at !== null) this.#tell(Math.min(this.at, days.length - 1));
  }

  #line(name) {
    const points = this.days.map((day, n) => `${this.x(n).toFixed(1)},${this.y(day[name]).toFixed(1)}`);
    const only = points.length === 1 ? `${points[0]} l0.01,0` : points.join(" L");
    return draw("path", { class: name, d: `M${only}` });
  }

  #point(event) {
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) * this.svg.viewBox.baseVal.width) / box.width;
    const gap = this.days.length > 1 ? this.x(1) - this.x(0) : 1;
    this.#tell(Math.min(Math.max(Math.round((x - this.x(0)) / gap), 0), this.days.length - 1));
  }

  #tell(n) {
    this.at = n;
    const day = this.days[n];
    const x = this.x(n);
    this.cross.replaceChildren(
      draw("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
      draw("circle", { class: "c", cx: x, cy: this.y(day.churned), r: 5 }),
      draw("circle", { class: "a", cx: x, cy: this.y(day.active), r: 5 }),
    );
    this.cross.setAttribute("visibility", "visible");
    const words = `${date(day.date, true)}\n${count(day.active)} active\n${count(day.churned)} churned\nof ${count(day.customers)} customers`;
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
  const rough = Math.max(most, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find((n) => n * power >= rough) * power, 1);
  return [step, Math.max(Math.ceil(most / step), 1) * step];
}
