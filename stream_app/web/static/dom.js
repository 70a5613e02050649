// Making and changing elements. Text is always set as text: nothing that comes from data is ever parsed as HTML.

/** A new element: `make("td", {class: "seen"}, "12 %", child)`. */
export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** A new element of an inline drawing. */
export function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Sets text only where it changed, so that nothing is painted or read out again for nothing. */
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** Sets or removes an attribute only where it changed. */
export function attribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Makes a select hold exactly these [value, label] options. */
export function options(select, wanted, chosen) {
  const key = JSON.stringify(wanted);
  if (select.dataset.key !== key) {
    select.replaceChildren(...wanted.map(([value, label]) => make("option", { value }, label)));
    select.dataset.key = key;
  }
  if (select.value !== chosen) select.value = chosen;
}

const tip = document.getElementById("tip");
let owner = null;
let anchor = null;

/** Shows the tooltip above an element, or below it where there is no room; it goes along when something scrolls. */
export function showTip(of, content, element) {
  owner = of;
  anchor = element;
  text(tip, content);
  tip.hidden = false;
  place();
}

function place() {
  const box = anchor.getBoundingClientRect();
  tip.style.left = "0"; // measured where nothing makes it narrow
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(box.left + box.width / 2 - width / 2, 6), window.innerWidth - width - 6);
  tip.style.left = `${left}px`;
  tip.style.top = `${box.top - height - 8 > 4 ? box.top - height - 8 : box.bottom + 8}px`;
}

/** Hides the tooltip if it belongs to `of`, or whoever has it. */
export function hideTip(of = owner) {
  if (of === owner) tip.hidden = true;
}
addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
addEventListener("scroll", () => tip.hidden || place(), { capture: true, passive: true });
