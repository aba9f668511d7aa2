// What the pages of `fastnn play` share: requests, messages and elements.
import { palette } from "/drawing.js";

export const $ = (id) => document.getElementById(id);
export const dark = matchMedia("(prefers-color-scheme: dark)");
export const theme = () => palette(dark.matches);
const SERVER_ENDED = "The server does not answer. Start fastnn play again, and open its address.";

export async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(path, options).catch(() => say(SERVER_ENDED));
  if (!response) throw new Error(SERVER_ENDED);
  const answer = await response.json();
  if (!response.ok) {
    say(answer.detail);
    throw new Error(answer.detail);
  }
  return answer;
}

// Calls show(frame) with each frame of a tab. Returns the stream, which close() ends.
export function listen(tab, show) {
  const events = new EventSource(`/api/events?tab=${tab}`);
  events.onmessage = (event) => show(JSON.parse(event.data));
  events.onerror = () => say(SERVER_ENDED);
  return events;
}

// Shows a message for a while, or none.
export function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
  if (text) setTimeout(() => { if ($("message").textContent === text) say(""); }, 8000);
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Sets texts of elements by their ids, and touches only what has changed.
export function setTexts(texts) {
  for (const [id, text] of Object.entries(texts)) if ($(id).textContent !== text) $(id).textContent = text;
}
