// How figures, dates and names are written.

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => whole.format(value);
export const compact = (value) => (value < 10000 ? whole.format(value) : short.format(value));

/** A share for a narrow cell: no decimals, and never 0 % or 100 % where it is not. */
export function share(part, all) {
  const percent = (100 * part) / all;
  if (part > 0 && percent < 0.5) return "<1 %";
  if (part < all && percent > 99.5) return ">99 %";
  return `${Math.round(percent)} %`;
}

export const exact = (part, all) => `${((100 * part) / all).toFixed(1)} %`;
export const percent = (value) => `${Number((100 * value).toFixed(1))} %`;

/** An instant of the API in the business time zone, or in UTC where the browser does not know that. */
export function moment(instant, timezone) {
  const form = { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" };
  try {
    return `${new Intl.DateTimeFormat("en-GB", { ...form, timeZone: timezone }).format(new Date(instant))} (${timezone})`;
  } catch {
    return `${new Intl.DateTimeFormat("en-GB", { ...form, timeZone: "UTC" }).format(new Date(instant))} (UTC)`;
  }
}

/** A local date of the API, `2026-03-02`, as `2 Mar`, with its year on request. */
export function date(day, year = false) {
  const form = { day: "numeric", month: "short", timeZone: "UTC", ...(year ? { year: "numeric" } : {}) };
  return new Intl.DateTimeFormat("en-GB", form).format(new Date(`${day}T00:00:00Z`));
}

/** A period by its start: days and weeks by the first day, an hour by its local time, the others by name. */
export function cohort(start, grain) {
  if (grain === "hour") return start.slice(0, 16).replace("T", " ");
  if (grain === "quarter") return `Q${Math.ceil(Number(start.slice(5, 7)) / 3)} ${start.slice(0, 4)}`;
  if (grain === "half-year") return `H${Number(start.slice(5, 7)) > 6 ? 2 : 1} ${start.slice(0, 4)}`;
  if (grain !== "month") return start;
  const form = { month: "short", year: "numeric", timeZone: "UTC" };
  return new Intl.DateTimeFormat("en-GB", form).format(new Date(`${start}T00:00:00Z`));
}

/** The same for a narrow axis. */
export const period = (start, grain) => (grain === "day" || grain === "week" ? date(start) : cohort(start, grain));

/** Minor units of the answer's currency, `$12.30`. */
export function money(value, { currency, minor_units: decimals }, more = {}) {
  const amount = value / 10 ** decimals;
  const form = { minimumFractionDigits: decimals, maximumFractionDigits: decimals, ...more };
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency, ...form }).format(amount);
  } catch {
    return `${new Intl.NumberFormat("en", form).format(amount)} ${currency}`;
  }
}

/** The same for a narrow axis: `$1.2M`. */
export const moneyShort = (value, answer) => money(value, answer, { notation: "compact", minimumFractionDigits: 0, maximumFractionDigits: 1 });

/** A segment: `plan: pro`, or `All users`. */
export function segment(names) {
  const parts = Object.entries(names).map(([dimension, value]) => `${dimension}: ${value}`);
  return parts.join(", ") || "All users";
}
