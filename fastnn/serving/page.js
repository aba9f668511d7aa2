"use strict";

// Sends the values of the form as a row, and shows the prediction. Texts of the reply become text
// nodes, never HTML.

const form = document.querySelector("form");
const result = document.getElementById("result");
document.getElementById("host").textContent = location.origin;

function toValue(input) {
  const text = input.value.trim();
  if (text === "") return null;
  if (input.dataset.kind !== "number" && input.dataset.json !== "number") return input.value;
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

function toText(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
}

function showReply(reply) {
  const list = document.createElement("dl");
  for (const [name, value] of Object.entries(reply.predictions[0])) {
    list.append(make("dt", name), make("dd", toText(value)));
  }
  show("done", list, ...reply.notes.map((note) => make("p", "Note: " + note)));
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
