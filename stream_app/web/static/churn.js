// Customers active and churned by closed day.

import { Curve } from "./curve.js";
import { compact, count, date } from "./words.js";

const FORM = {
  lines: [
    { name: "active", label: "active", of: (day) => day.active, shown: count },
    { name: "churned", label: "churned", of: (day) => day.churned, shown: count },
  ],
  least: 4,
  axis: compact,
  empty: "No day has closed yet for this choice.",
  at: (day) => date(day.date),
  tell: (day) => `${date(day.date, true)}\n${count(day.active)} active\n${count(day.churned)} churned\nof ${count(day.customers)} customers`,
  says: (days) => {
    const last = days.at(-1);
    return `Line chart, ${days.length} closed days, ${days[0].date} to ${last.date}. On the last: ${count(last.active)} active and ${count(last.churned)} churned of ${count(last.customers)} customers.`;
  },
};

export class Churn {
  constructor(box) {
    this.curve = new Curve(box);
  }

  /** Draws the days of one segment. */
  show(part) {
    this.curve.show(part ? part.days : [], FORM, part?.segment);
  }
}
