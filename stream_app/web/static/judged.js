// What an alert judged, in words: the figure's name, its value and bound, what is at risk, since when.

import { cohort, count, money, percent } from "./words.js";

const FIGURES = {
  "retention rate": ({ grain, index }) => `${grain} ${index} retention`,
  "churn rate": () => "churned share of customers",
  "lifecycle returning_rate": ({ grain }) => `share of the ${grain} before that is active again`,
  "lifecycle dormant_rate": ({ grain }) => `share of the ${grain} before that is not active`,
  "lifecycle new_share": () => "share of new users",
  "lifecycle resurrected_share": () => "share of resurrected users",
  "crr kept_rate": () => "share of customers kept",
  "crr churn_rate": () => "share of customers lost",
  "crr crr": () => "customer retention rate (CRR)",
  "stickiness stickiness": () => "stickiness (DAU / MAU)",
  "value aov": () => "average order value",
  "value grr": () => "gross revenue retention (GRR)",
  "value nrr": () => "net revenue retention (NRR)",
  "value ltv": ({ grain, index }) => `lifetime value at ${grain} ${index}`,
  "stream volume": () => "active users of a day, of the usual",
  "stream watermark": () => "standstill of the watermark",
  "stream lag": () => "watermark behind the clock",
  "concentration activity_share": () => "activity of the top 10 % of users",
  "concentration revenue_share": () => "revenue from the top 10 % of customers",
};
const SHARES = new Set(["volume", "crr", "grr", "nrr", "activity_share", "revenue_share"]);
const MONEY = new Set(["aov", "ltv", "revenue"]);
const SPANS = new Set(["watermark", "lag"]);
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

/** The figure and its measure. */
export function name(alert) {
  const figure = alert.figure ?? "retention";
  const measure = alert.measure ?? "rate";
  return FIGURES[`${figure} ${measure}`]?.(alert) ?? `${figure} ${measure.replaceAll("_", " ")}`;
}

const isShare = (alert) => SHARES.has(alert.measure) || typeof alert.count === "number";

/** A value of what an alert judges. */
export function written(value, alert, answer) {
  if (isShare(alert)) return percent(value);
  if (MONEY.has(alert.measure)) return money(value, { ...answer, currency: alert.currency ?? answer.currency });
  if (SPANS.has(alert.measure)) return span(value);
  return plain.format(value);
}

/** Value, counts, interval and how far it is from its bound. */
export function far(alert, answer) {
  const value = written(alert.value, alert, answer);
  const of = typeof alert.count === "number" ? `${count(alert.count)} of ${count(alert.group)}` : alert.group ? `group of ${count(alert.group)}` : "";
  const between = typeof alert.low === "number" && typeof alert.high === "number" ? `95 % interval ${percent(alert.low)} to ${percent(alert.high)}` : "";
  const inside = [of, between].filter(Boolean).join("; ");
  return `${value}${inside ? ` (${inside})` : ""}, ${gap(alert, answer)}`;
}

function gap(alert, answer) {
  const difference = Math.abs(alert.value - alert.threshold);
  const bound = written(alert.threshold, alert, answer);
  const side = alert.value < alert.threshold ? "below" : "above";
  if (!isShare(alert)) return difference ? `${side} ${bound}` : `at ${bound}`;
  const points = Number((100 * difference).toFixed(1));
  return points ? `${points} points ${side} ${bound}` : `at ${bound}`;
}

/** Users and revenue that are missing; nothing where it is not known. */
export function risk(alert, answer) {
  const parts = [];
  if (alert.users_at_risk) parts.push(`${count(alert.users_at_risk)} ${alert.users_at_risk === 1 ? "user" : "users"}`);
  if (alert.revenue_at_risk) parts.push(money(alert.revenue_at_risk, { ...answer, currency: alert.currency ?? answer.currency }));
  if (!parts.length) return "";
  return `At risk: ${parts.join(", ")}${alert.cohorts > 1 ? ` in ${count(alert.cohorts)} ${alert.index ? "cohorts" : `${alert.grain}s`}` : ""}.`;
}

/** Since when, when that was judged, and how often it may be wrong. */
export function since(alert, moment, timezone) {
  const start = alert.began && alert.state !== "resolved" ? `since ${alert.index ? "cohort " : ""}${cohort(alert.began, alert.grain)}` : "";
  const at = alert.at ?? alert.latest?.at;
  const judged = at ? `${alert.figure === "stream" ? "seen" : "closed"} ${moment(at, timezone)}` : "";
  const promise = alert.promise && alert.state === "firing" ? `false alarms: at most ${alert.promise}` : "";
  return [start, judged, promise].filter(Boolean).join("; ");
}

/** Seconds as `2 h 30 min`. */
function span(seconds) {
  const said = [];
  let left = Math.round(seconds);
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const number = Math.floor(left / size);
    left -= number * size;
    if (number || (unit === "s" && !said.length)) said.push(`${number} ${unit}`);
  }
  return said.slice(0, 2).join(" ");
}
