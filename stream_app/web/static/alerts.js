// The alerts: firing ones first, the worst before all, then pending, then those that cannot be judged; silences; what happened lately.

import { make } from "./dom.js";
import { far, name, risk, since, written } from "./judged.js";
import { cohort, count, moment, segment } from "./words.js";

const SIGNS = { firing: "▲", pending: "◆", resolved: "✓", inactive: "○" };
const NAMES = { firing: "Firing", pending: "Pending", resolved: "Resolved", inactive: "Not firing" };
const HEALTHS = { no_data: "No data", error: "Error" };
const ENDS = { data_back: "It can be judged again.", rule_removed: "Its rule was removed.", rule_changed: "Its rule was changed." };
const DEEDS = { silence: "Silenced", unsilence: "Silence ended", acknowledge: "Acknowledged" };
const SHOWN = 40;
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
    const { current, history, silences = [] } = answer;
    const parts = [];
    if (!current.some((alert) => alert.state === "firing")) parts.push(make("p", { class: "none" }, "No alert is firing."));
    if (current.length) parts.push(make("ul", {}, ...current.slice(0, SHOWN).map((alert) => item(alert, answer, timezone))));
    if (current.length > SHOWN) parts.push(more(current.length - SHOWN, "/api/v1/alerts"));
    if (silences.length) parts.push(make("h3", {}, "Silences"), make("ul", {}, ...silences.map((one) => quiet(one, timezone))));
    const shown = new Set(current.map((alert) => alert.id));
    const past = history.filter((alert) => !shown.has(alert.id));
    if (past.length) parts.push(make("h3", {}, "Earlier"), make("ul", {}, ...past.slice(0, PAST_SHOWN).map((row) => (DEEDS[row.action] ? deed(row, timezone) : item(row, answer, timezone, ENDS[row.reason])))));
    if (past.length > PAST_SHOWN) parts.push(more(null, "/api/v1/alerts/history"));
    this.box.replaceChildren(...parts);
  }
}

function more(number, address) {
  return make("p", { class: "more" }, make("a", { href: address }, number ? `and ${count(number)} more` : "The whole history"));
}

function item(alert, answer, timezone, ends = "") {
  const unwell = alert.health && alert.health !== "ok";
  const badges = [make("span", { class: "state" }, `${SIGNS[alert.state] ?? ""} ${NAMES[alert.state] ?? alert.state}`)];
  if (unwell) badges.push(make("span", { class: "badge bad" }, HEALTHS[alert.health] ?? alert.health));
  if (alert.acknowledged) badges.push(make("span", { class: "badge" }, "Acknowledged"));
  if (alert.silenced) badges.push(make("span", { class: "badge" }, "Silenced"));
  if (alert.flapping) badges.push(make("span", { class: "badge" }, "Flapping"));
  const quietly = alert.acknowledged || alert.silenced ? " held" : "";
  return make(
    "li",
    { class: `${alert.state}${unwell ? ` ${alert.health}` : ""}${quietly}` },
    make("div", { class: "badges" }, ...badges, make("strong", {}, alert.rule)),
    make("p", {}, ...where(alert)),
    ...(typeof alert.value === "number" && typeof alert.threshold === "number" ? [make("p", { class: "far" }, far(alert, answer))] : []),
    ...[ends, ...lines(alert, answer, timezone)].filter(Boolean).map((words) => make("p", {}, words)),
  );
}

/** Segment, figure and the judged cohort; that of retention leads to its cell. */
function where(alert) {
  if (alert.figure === "stream") {
    const { definition } = alert.segment;
    return [`The event stream${definition ? ` of ${definition}` : ""} · `, name(alert)];
  }
  const parts = [segment(alert.segment)];
  if (alert.figure || alert.definition) parts.push(" · ", name(alert));
  if (alert.definition) parts.push(" · ", alert.definition);
  if (alert.cohort) parts.push(" · ", alert.definition ? make("a", { href: link(alert) }, `${alert.index ? "cohort" : alert.grain} ${cohort(alert.cohort, alert.grain)}`) : alert.cohort);
  return parts;
}

function lines(alert, answer, timezone) {
  const { acknowledged, silenced, latest } = alert;
  const said = (who) => `${who.author}${who.reason ? `: ${who.reason}` : ""}`;
  return [
    alert.state === "firing" && risk(alert, answer),
    alert.state === "firing" && latest?.cohort && latest.cohort !== alert.cohort && typeof latest.value === "number" && `Now ${written(latest.value, alert, answer)} (${alert.index ? "cohort " : ""}${cohort(latest.cohort, alert.grain)}).`,
    alert.health === "no_data" && "No group was large enough to judge.",
    alert.health === "error" && `Cannot be judged: ${alert.note ?? "the figure cannot be had"}`,
    since(alert, moment, timezone),
    acknowledged && `Acknowledged${acknowledged.ends ? ` until ${moment(acknowledged.ends, timezone)}` : ""} by ${said(acknowledged)}.`,
    silenced && `Silenced until ${moment(silenced.ends, timezone)} by ${said(silenced)}.`,
  ];
}

function quiet(silence, timezone) {
  return make(
    "li",
    { class: "silence" },
    make("div", {}, ...whose(silence)),
    make("p", {}, `until ${moment(silence.ends, timezone)} · ${silence.author}: ${silence.reason}`),
  );
}

/** What somebody did about alerts, of the history. */
function deed(row, timezone) {
  const until = row.ends && row.action !== "unsilence" ? ` until ${moment(row.ends, timezone)}` : "";
  return make(
    "li",
    { class: "deed" },
    make("div", {}, ...whose(row)),
    make("p", {}, `${DEEDS[row.action]}${until}`),
    make("p", {}, `${moment(row.at, timezone)} · ${row.author}${row.reason ? `: ${row.reason}` : ""}`),
  );
}

/** Which alerts a silence or an acknowledgement is about. */
function whose({ rule, segment: values }) {
  return [make("strong", {}, rule === null ? "Every rule" : rule), Object.keys(values).length ? ` · ${segment(values)}` : ""];
}

/** The address of this page that shows what an alert judged. */
function link(alert) {
  const [dimension, value] = Object.entries(alert.segment)[0] ?? ["", ""];
  const at = { definition: alert.definition, grain: alert.grain, segment: dimension, value };
  if ((alert.figure ?? "retention") !== "retention") return `#${new URLSearchParams({ figure: alert.figure, ...at })}`;
  return `#${new URLSearchParams({ ...at, kind: "classic", cohort: alert.cohort, index: String(alert.index) })}`;
}
