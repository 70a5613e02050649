// The alerts: firing ones first, then pending, then what happened lately.

import { make } from "./dom.js";
import { cohort, count, moment, percent, segment } from "./words.js";

const SIGNS = { firing: "▲", pending: "◆", resolved: "✓", inactive: "○" };
const NAMES = { firing: "Firing", pending: "Pending", resolved: "Resolved", inactive: "Ended" };
const PAST_SHOWN = 8;

export class Alerts {
  constructor(box) {
    this.box = box;
    this.key = null;
  }

  /** Shows an answer of /api/v1/alerts. */
  show(answer, timezone) {
    const key = JSON.stringify([answer, timezone]);
    if (key === this.key) return;
    this.key = key;
    const order = ["firing", "pending"];
    const current = answer.current.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
    const present = current.length
      ? make("ul", {}, ...current.map((alert) => item(alert, timezone)))
      : make("p", { class: "none" }, "None is firing.");
    const shown = new Set(current.map((alert) => alert.id));
    const past = answer.history.filter((alert) => !shown.has(alert.id)).slice(0, PAST_SHOWN);
    const earlier = past.length ? [make("h3", {}, "Earlier"), make("ul", {}, ...past.map((alert) => item(alert, timezone)))] : [];
    this.box.replaceChildren(present, ...earlier);
  }
}

function item(alert, timezone) {
  const state = make("span", { class: "state" }, `${SIGNS[alert.state] ?? ""} ${NAMES[alert.state] ?? alert.state}`);
  const where = `${segment(alert.segment)} · ${alert.definition} · ${alert.grain} ${alert.index}`;
  return make(
    "li",
    { class: alert.state },
    make("div", {}, state, make("strong", {}, alert.rule)),
    make("p", {}, where, " · ", make("a", { href: link(alert) }, `cohort ${cohort(alert.cohort, alert.grain)}`)),
    make("p", { class: "far" }, far(alert)),
    make("p", {}, `${alert.state === "firing" && alert.since ? `since cohort ${cohort(alert.since, alert.grain)}; ` : ""}closed ${moment(alert.at, timezone)}`),
  );
}

function far(alert) {
  if (typeof alert.value !== "number") return `group of ${count(alert.group)}`;
  const users = typeof alert.retained === "number" ? `${count(alert.retained)} of ${count(alert.group)}` : `group of ${count(alert.group)}`;
  const points = Number((100 * Math.abs(alert.value - alert.threshold)).toFixed(1));
  const side = alert.value < alert.threshold ? "below" : "above";
  const gap = points ? `${points} points ${side} ${percent(alert.threshold)}` : `at ${percent(alert.threshold)}`;
  return `${percent(alert.value)} (${users}), ${gap}`;
}

/** The address of this page that shows the cell an alert judged. */
function link(alert) {
  const [dimension, value] = Object.entries(alert.segment)[0] ?? ["", ""];
  const at = { definition: alert.definition, grain: alert.grain, kind: "classic", segment: dimension, value, cohort: alert.cohort, index: String(alert.index) };
  return `#${new URLSearchParams(at)}`;
}
