"use strict";

// Sends the values of the form as a row, and shows the prediction. Texts of the reply become text
// nodes, never HTML.

const MOST_CONTRIBUTIONS = 8;
const form = document.querySelector("form");
const result = document.getElementById("result");
document.getElementById("host").textContent = location.origin;

function toValue(input) {
  const text = input.value.trim();
  if (text === "") return null;
  if (input.dataset.json !== "number") return input.value;
  const number = Number(text);
  return Number.isFinite(number) ? number : input.value;
}

function toRow() {
  const inputs = [...form.querySelectorAll("input")];
  if (form.dataset.names === "yes") {
    return Object.fromEntries(inputs.map((input) => [input.name, toValue(input)]));
  }
  const row = Array(Number(form.dataset.columns)).fill(null);
  for (const input of inputs) row[Number(input.name)] = toValue(input);
  return row;
}

function show(state, ...children) {
  result.dataset.state = state;
  result.replaceChildren(...children);
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function toText(value, digits = 5) {
  return typeof value === "number" ? String(Number(value.toPrecision(digits))) : String(value);
}

function toList(pairs) {
  const list = document.createElement("dl");
  for (const [name, text] of pairs) list.append(make("dt", name), make("dd", text));
  return list;
}

// The largest contributions to a prediction, with their signs.
function toExplanation(found) {
  const signed = (x) => (x < 0 ? "\u2212" : "+") + toText(Math.abs(x), 3);
  const pairs = Object.entries(found.contributions);
  pairs.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const of = found.scale === "target" ? "The prediction" : `The ${found.scale} of ${found.output}`;
  const list = toList(pairs.slice(0, MOST_CONTRIBUTIONS).map(([name, x]) => [name, signed(x)]));
  list.className = "contributions";
  const which = pairs.length > MOST_CONTRIBUTIONS ? "These columns add the most" : "Columns add";
  return [make("p", `${of} is ${toText(found.base, 3)} on average. ${which}:`), list];
}

function showReply(reply) {
  const { explanation, ...values } = reply.predictions[0];
  const list = toList(Object.entries(values).map(([name, value]) => [name, toText(value)]));
  const notes = reply.notes.map((note) => make("p", "Note: " + note));
  show("done", list, ...notes, ...(explanation ? toExplanation(explanation) : []));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const response = await fetch("predict" + form.dataset.query, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(toRow()),
    });
    const reply = await response.json();
    if (response.ok) showReply(reply);
    else show("failed", make("p", reply.detail));
  } catch (error) {
    show("failed", make("p", "The server does not answer. Is it still running?"));
  }
});
