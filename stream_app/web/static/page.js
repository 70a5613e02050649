// The page: what is chosen, what is fetched every two seconds, and what is said when nothing comes.

import { Alerts } from "./alerts.js";
import { Churn } from "./churn.js";
import { attribute, make, options, text } from "./dom.js";
import { FIGURES, Figure, figuresOf, shapeOf } from "./figures.js";
import { Heat } from "./heat.js";
import { compact, count, moment, segment } from "./words.js";

const EVERY_MS = 2000;
const PATIENCE_MS = 8000;
const CHURN_DAYS = 90;
const CHOICES = { figure: "retention", definition: "", grain: "", kind: "", segment: "", value: "", cohort: "", index: "" };
/** Sizes of the brackets that are shown, by period. */
const BRACKETS = { hour: "1,2,3,6,12", day: "1,2,4,7,16", week: "1,1,2,4,4", month: "1,2,3,6", quarter: "1,1,2,4", "half-year": "1,1,2" };

const get = (id) => document.getElementById(id);
const scope = get("scope");
const shape = get("shape");
const heat = new Heat(get("heat"), get("legend-top"), get("heat-note"));
const figure = new Figure(get("curve"), get("rows"));
const churn = new Churn(get("churn"));
const alerts = new Alerts(get("alerts"));

const state = { chosen: read(), round: 0, timer: 0, seen: null, last: null, refused: "" };

/** The choice in the address, which makes a view something to share. */
function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.entries(CHOICES).map(([name, value]) => [name, given.get(name) ?? value]));
}

function choose(changes) {
  state.refused = "";
  Object.assign(state.chosen, { cohort: "", index: "" }, changes);
  const { grains, kinds } = shapeOf(state.chosen.figure, state.seen.kept);
  const usual = { ...CHOICES, grain: grains[0], kind: kinds[0] };
  const kept = Object.entries(state.chosen).filter(([name, value]) => value && value !== usual[name]);
  history.replaceState(null, "", kept.length ? `#${new URLSearchParams(kept)}` : location.pathname);
  refresh();
}

async function ask(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ""));
  const address = query.size ? `${path}?${query}` : path;
  const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.error?.message ?? answer.statusText), { status: answer.status, parameter: body.error?.parameter });
  return { body, stale: answer.headers.get("Stream-App-Figures") === "stale" };
}

async function refresh() {
  clearTimeout(state.timer);
  state.round += 1;
  const round = state.round;
  try {
    const status = await ask("/api/v1/status");
    const figures = status.body.figures;
    if (!figures) {
      if (round === state.round) starting(status.body);
    } else if (figures.last_event === null && figures.as_of === null) {
      const found = await ask("/api/v1/alerts");
      if (round === state.round) waiting(figures, status, found);
    } else {
      settle(figures);
      const { definition, segment: dimension } = state.chosen;
      const answers = await Promise.all([
        ask(`/api/v1/${state.chosen.figure}`, parameters(state.chosen)),
        ask("/api/v1/churn", { definition, segment: dimension, last: CHURN_DAYS }),
        ask("/api/v1/alerts"),
      ]);
      if (round === state.round) show(figures, status, ...answers);
    }
  } catch (error) {
    if (round === state.round) failed(error);
  }
  if (round === state.round && !document.hidden) state.timer = setTimeout(refresh, EVERY_MS);
}

/** Replaces what the service does not know by what it does. */
function settle(figures) {
  const chosen = state.chosen;
  const known = figures.definitions.map((one) => one.name);
  if (!known.includes(chosen.definition)) chosen.definition = known[0];
  if (!figures.dimensions.includes(chosen.segment)) Object.assign(chosen, { segment: "", value: "" });
  if (!figuresOf(figures.kept).some(([name]) => name === chosen.figure)) chosen.figure = CHOICES.figure;
  const { grains, kinds } = shapeOf(chosen.figure, figures.kept);
  if (!grains.includes(chosen.grain)) chosen.grain = grains[0];
  if (!kinds.includes(chosen.kind)) chosen.kind = kinds[0];
}

/** What the API is asked for. */
function parameters({ figure: name, definition, grain, kind, segment: dimension }) {
  const asked = { definition, grain, kind, segment: dimension };
  if (name !== "retention") return asked;
  return { ...asked, last: Heat.rows(grain), brackets: kind === "bracket" ? BRACKETS[grain] : "" };
}

function show(figures, status, chief, lost, found) {
  const chosen = state.chosen;
  const dimension = chosen.segment;
  options(scope.figure, figuresOf(figures.kept).map(([name, { label }]) => [name, label]), chosen.figure);
  options(scope.definition, figures.definitions.map((one) => [one.name, one.name]), chosen.definition);
  options(scope.segment, [["", "All users"], ...figures.dimensions.map((name) => [name, name])], dimension);
  const values = dimension ? chief.body.segments.map((part) => part.segment[dimension]) : [];
  if (!values.includes(chosen.value)) chosen.value = values[0] ?? "";
  options(scope.value, values.length ? values.map((value) => [value, value]) : [["", "–"]], chosen.value);
  scope.value.disabled = values.length === 0;
  const { grains, kinds } = shapeOf(chosen.figure, figures.kept);
  offer(shape.grain, grains, chosen.grain);
  offer(shape.kind, kinds, chosen.kind);

  const mine = (answer) => answer.body.segments.find((part) => !dimension || part.segment[dimension] === chosen.value);
  get("figures").hidden = false;
  get("blank").hidden = true;
  const definition = figures.definitions.find((one) => one.name === chosen.definition);
  const who = segment(dimension && chosen.value ? { [dimension]: chosen.value } : {});
  const plain = chosen.figure === "retention";
  text(get("retention-title"), plain ? "Retention by cohort" : FIGURES[chosen.figure].label);
  for (const [id, hidden] of [["heat", !plain], ["legend", !plain], ["figure", plain]]) get(id).hidden = hidden;
  if (plain) {
    text(get("retention-says"), says(definition, chosen, who));
    const judged = chosen.cohort ? { cohort: chosen.cohort, index: Number(chosen.index), key: location.hash } : null;
    heat.show(chief.body, mine(chief), judged);
  } else {
    text(get("retention-says"), `${who}. ${figure.show(chosen.figure, chief.body, mine(chief))}`);
  }
  text(get("churn-says"), `${who}. Churned: no activity for ${lost.body.inactivity_days} days. Closed days only.`);
  churn.show(mine(lost));
  alerts.show(found.body, figures.timezone);
  tiles(figures, found.body);
  freshness(figures, status, [status, chief, lost, found].some((one) => one.stale));
}

/** Shows those of the radio buttons that a figure has. */
function offer(buttons, wanted, chosen) {
  for (const button of buttons) button.closest("label").hidden = !wanted.includes(button.value);
  buttons[0].closest("fieldset").hidden = wanted.length < 2;
  buttons.value = chosen;
}

function says(definition, { grain, kind }, who) {
  const first = { any: "first activity", visit: "first visit", purchase: "first purchase" }[definition.start];
  const again = { any: "came back", visit: "visited again", purchase: "bought again" }[definition.returns];
  const whens = { classic: `that many ${grain}s later`, rolling: `that many ${grain}s later or after that, as far as observed`, bracket: `in any of those ${grain}s` };
  const when = whens[kind];
  return `${who}. Rows: the ${grain} of the ${first}. Columns: the share that ${again} ${when}.`;
}

function tiles(figures, found) {
  const total = figures.totals;
  const firing = found.current.filter((alert) => alert.state === "firing").length;
  const shown = [
    ["Users", total.users],
    ["Events counted", total.counted],
    ["Late events", total.late],
    ["Dead letters", total.dead_lettered],
    ["Alerts firing", firing, firing > 0],
  ].filter(([, value]) => value !== undefined);
  const box = get("tiles");
  if (box.children.length !== shown.length) {
    box.replaceChildren(...shown.map(() => make("div", {}, make("dt"), make("dd"))));
  }
  shown.forEach(([label, value, bad], n) => {
    const tile = box.children[n];
    text(tile.firstChild, label);
    text(tile.lastChild, compact(value));
    attribute(tile, "title", count(value));
    attribute(tile, "class", bad ? "bad" : "");
  });
}

function freshness(figures, status, stale) {
  state.seen = figures;
  state.last = new Date();
  const line = figures.as_of ? `Figures up to ${moment(figures.as_of, figures.timezone)}` : "No events yet";
  text(get("as-of"), line);
  attribute(get("as-of"), "title", figures.as_of ? `Watermark: ${figures.as_of}` : "");
  document.body.classList.remove("down");
  get("figures").classList.remove("dim");
  pulse(stale ? "stale" : "live", stale ? "Out of date" : "Live");
  const degraded = status.body.health.degraded.join("; ");
  notice(state.refused || (stale ? "Figures may be out of date: Redis does not answer. The page recovers by itself." : degraded && `Something is missing. ${degraded}`));
}

function waiting(figures, status, found) {
  blank("No events yet", "The service runs and waits for the first event on its topics. Send one such as this, or run stream-app demo:", true);
  freshness(figures, status, status.stale || found.stale);
}

function starting(status) {
  blank("Starting", status.health.reasons.join("; ") || "No figures have been published yet.", false);
  text(get("as-of"), "No figures yet");
  pulse("wait", "Starting");
  notice("");
}

function failed(error) {
  if (error.status === 400 && error.parameter) {
    Object.assign(state.chosen, { [error.parameter]: CHOICES[error.parameter] ?? "" });
    state.refused = `This cannot be shown. ${error.parameter}: ${error.message}.`;
    return;
  }
  const what = error.status ? `It says: ${error.message}.` : "It may be stopped, or the network is down.";
  if (state.seen === null) {
    blank("The service does not answer", `${what} The page tries again every two seconds.`, false);
    text(get("as-of"), "No figures");
  } else {
    get("figures").classList.add("dim");
    notice(`The service does not answer. ${what} Last answer: ${state.last.toLocaleTimeString("en-GB")}. The page tries again every two seconds.`, true);
  }
  pulse("down", "Not connected");
}

function blank(title, words, example) {
  const box = get("blank");
  text(box.querySelector("h2"), title);
  text(box.querySelector("p"), words);
  box.querySelector("pre").hidden = !example;
  box.hidden = false;
  get("figures").hidden = true;
}

function pulse(name, words) {
  attribute(get("pulse"), "data-state", name);
  text(get("pulse").querySelector("b"), words);
}

function notice(words, down = false) {
  const box = get("notice");
  box.hidden = !words;
  text(box, words || "");
  box.classList.toggle("down", down);
}

/** What a choice undoes: a segment's value is of that segment, a grain and a kind of that figure. */
const UNDOES = { segment: { value: "" }, figure: { grain: "", kind: "" } };
scope.addEventListener("change", ({ target }) => choose({ ...UNDOES[target.name], [target.name]: target.value }));
shape.addEventListener("change", ({ target }) => choose({ [target.name]: target.value }));
for (const form of [scope, shape]) form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => {
  state.chosen = read();
  refresh();
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
refresh();
