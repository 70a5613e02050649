// The figures besides retention: one curve and one table each, made of the API's answer.

import { Curve } from "./curve.js";
import { make } from "./dom.js";
import { compact, count, date, money, moneyShort, percent, period } from "./words.js";

const SHOWN = 120;
const LINES = ["active", "churned", "third", "fourth", "fifth"];
const GRAINS = ["day", "week", "month", "quarter", "half-year"];

/** By figure: its name, its grains and kinds (the usual one first), and what is shown of one segment's entry. */
export const FIGURES = {
  retention: { label: "Retention", grains: ["day", "week", "month", "quarter", "half-year", "hour"], kinds: ["classic", "rolling", "bracket"] },
  lifecycle: {
    label: "Lifecycle",
    grains: GRAINS,
    says: (answer) => `Active users by ${answer.grain}: new, returning from the ${answer.grain} before, resurrected after a gap; dormant were active the ${answer.grain} before only.`,
    rows: (part) => part.periods,
    lines: ["active", "new", "returning", "resurrected", "dormant"],
    columns: [["Active", "active"], ["New", "new"], ["Returning", "returning"], ["Resurrected", "resurrected"], ["Dormant", "dormant"], ["Quick ratio", "quick_ratio", "number"]],
  },
  crr: {
    label: "Customers kept",
    grains: ["month", "week", "day", "quarter", "half-year"],
    says: (answer) => `Active: within ${answer.inactivity_days} days. CRR counts the resurrected as kept and can pass 100 %; the kept rate does not.`,
    rows: (part) => part.periods,
    form: "share",
    lines: ["crr", "kept_rate", "churn_rate"],
    columns: [["At the start", "start_active"], ["New", "new"], ["Kept", "kept"], ["Lost", "lost"], ["Resurrected", "resurrected"], ["At the end", "end_active"], ["CRR", "crr", "share"], ["Kept rate", "kept_rate", "share"], ["Churn rate", "churn_rate", "share"]],
  },
  stickiness: {
    label: "Stickiness",
    grains: ["day"],
    says: (answer) => `Users of a day (DAU) among those of the ${answer.window} days that end with it (MAU).`,
    rows: (part) => part.days,
    form: "share",
    lines: ["stickiness"],
    columns: [["DAU", "dau"], ["MAU", "mau"], ["DAU / MAU", "stickiness", "share"]],
  },
  value: {
    label: "Value",
    orders: true,
    grains: ["month", "week", "day", "quarter", "half-year"],
    says: (_, { totals }, form) =>
      `${count(totals.customers)} customers, ${count(totals.orders)} orders, ${form.money(totals.revenue)} net of refunds; ${form.share(totals.repeat_rate)} bought again, ${form.money(totals.aov)} an order.`,
    rows: (part) => part.periods,
    form: "money",
    lines: ["revenue", "returning_revenue", "new_revenue"],
    columns: [["Customers", "customers"], ["Orders", "orders"], ["Revenue", "revenue", "money"], ["An order", "aov", "money"], ["GRR", "grr", "share"], ["NRR", "nrr", "share"], ["New", "new_revenue", "money"], ["Resurrected", "resurrected_revenue", "money"]],
  },
  survival: {
    label: "Survival",
    grains: ["month", "week", "day", "quarter", "half-year"],
    kinds: ["churn", "return"],
    says: (answer, { all }) =>
      `Share of ${count(all.size)} customers ${answer.kind === "churn" ? "not churned yet" : "not back yet"}, by days since the first (Kaplan-Meier, 95 % interval). Median: ${all.median === null ? "not reached" : `${count(all.median)} days`}.`,
    rows: ({ all }) => all.days.map((day, n) => ({ day, survival: all.survival[n], low: all.low[n], high: all.high[n], at_risk: all.at_risk[n], died: all.died[n] })),
    steps: ({ all }) => daily(all),
    form: "share",
    lines: ["survival", "low", "high"],
    at: (row) => `day ${row.day}`,
    columns: [["At risk", "at_risk"], ["Events", "died"], ["Survival", "survival", "share"], ["Low", "low", "share"], ["High", "high", "share"]],
  },
  concentration: {
    label: "Concentration",
    orders: true,
    grains: ["month", "week", "quarter", "half-year"],
    says: () => "Share of activity and of revenue that the top 10 % of users have.",
    rows: (part) => part.periods,
    form: "share",
    lines: ["activity_share", "revenue_share"],
    columns: [["Users", "users"], ["Top", "top_users"], ["Of activity", "activity_share", "share"], ["Customers", "customers"], ["Top", "top_customers"], ["Of revenue", "revenue_share", "share"]],
  },
};

/** The figures there are, by what the service keeps of its users. */
export const figuresOf = (kept) => Object.entries(FIGURES).filter(([, { orders }]) => !orders || kept.orders);
/** The grains and kinds of a figure. */
export const shapeOf = (name, kept) => ({
  grains: FIGURES[name].grains.filter((grain) => grain !== "hour" || kept.hour_days > 0),
  kinds: FIGURES[name].kinds ?? [""],
});

export class Figure {
  constructor(curve, table) {
    this.curve = new Curve(curve);
    this.table = table;
    this.key = null;
  }

  /** Shows one segment of a figure's answer. Returns what is said of it. */
  show(name, answer, part) {
    const view = FIGURES[name];
    const form = forms(answer);
    const at = view.at ?? ((row) => (row.date ? date(row.date) : period(row.start, answer.grain)));
    const rows = part ? view.rows(part) : [];
    const late = rows.slice(view.at ? 0 : -SHOWN);
    const drawn = view.steps && rows.length ? view.steps(part) : late;
    const shown = form[view.form ?? "count"];
    const lines = view.lines.map((line, n) => ({ name: LINES[n], label: words(line), of: (row) => row[line], shown }));
    this.curve.show(
      drawn,
      {
        lines,
        at,
        axis: view.form === "money" ? (value) => moneyShort(value, answer) : view.form ? percent : compact,
        least: view.form === "share" ? 0.1 : 4,
        empty: "No period has closed yet for this choice.",
        tell: (row) => `${at(row)}\n${view.columns.map(([label, key, kind]) => `${label}: ${form[kind ?? "count"](row[key])}`).join("\n")}`,
        says: (all) => `Line chart of ${lines.map((line) => line.label).join(", ")}; ${at(all[0])} to ${at(all.at(-1))}.`,
      },
      [name, part?.segment],
    );
    this.#list(view, view.at ? late : late.toReversed(), at, form);
    return part ? view.says(answer, part, form) : "";
  }

  #list(view, rows, at, form) {
    const key = JSON.stringify([view.label, rows]);
    if (key === this.key) return;
    this.key = key;
    const head = make("tr", {}, make("th", { scope: "col" }, ""), ...view.columns.map(([label]) => make("th", { scope: "col" }, label)));
    const line = (row) => make("tr", {}, make("th", { scope: "row" }, at(row)), ...view.columns.map(([, of, kind]) => make("td", {}, form[kind ?? "count"](row[of]))));
    this.table.replaceChildren(...(rows.length ? [make("table", { "aria-labelledby": "retention-title" }, make("thead", {}, head), make("tbody", {}, ...rows.map(line)))] : []));
  }
}

/** A Kaplan-Meier curve by day, from all on day 0 on: between two days with events it stays as it is. */
function daily({ days, survival, low, high, at_risk, died, size }) {
  const rows = [{ day: 0, survival: 1, low: 1, high: 1, at_risk: size, died: 0 }];
  days.forEach((day, n) => {
    for (let before = rows.length; before < day; before++) rows.push({ ...rows.at(-1), day: before, at_risk: null, died: 0 });
    rows[day] = { day, survival: survival[n], low: low[n], high: high[n], at_risk: at_risk[n], died: died[n] };
  });
  return rows;
}

/** How values are written; null is not zero. */
function forms(answer) {
  const known = (write) => (value) => (value === null || value === undefined ? "–" : write(value));
  return {
    count: known(count),
    share: known(percent),
    number: known((value) => value.toFixed(2)),
    money: known((value) => money(value, answer)),
  };
}

const words = (name) => (name === "crr" ? "CRR" : name.replaceAll("_", " "));
