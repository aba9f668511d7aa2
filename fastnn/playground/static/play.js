// The page of `fastnn play`: controls, commands to the server, and its stream of frames.
import { drawCurves, drawNetwork, drawSurface, layout, palette, short } from "/drawing.js";

const $ = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");
const NUMBERS = ["n", "noise", "test", "data_seed", "lr", "schedule_epochs", "batch", "l1", "l2", "dropout", "seed"];
const CHOICES = ["data", "loss", "optimizer", "schedule", "dtype"];
let start, tab, description, settings, frame = null, events = null, selected = null;
let losses = { train: [], test: [] }, points = null, drawn = false, shown = 0, confusionShown = "";

// ---- the server ----

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(path, options), answer = await response.json();
  if (!response.ok) {
    say(answer.error);
    throw new Error(answer.error);
  }
  return answer;
}

const command = (message) => ask(`/api/command?tab=${tab}`, message);

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
  if (text) setTimeout(() => { if ($("message").textContent === text) say(""); }, 8000);
}

async function openTab(state) {
  events?.close();
  const answer = await ask("/api/tabs", { state });
  tab = answer.tab;
  show(answer);
  listen();
}

function listen() {
  events = new EventSource(`/api/events?tab=${tab}`);
  events.onmessage = (event) => {
    frame = JSON.parse(event.data);
    const { from, train, test } = frame.losses;
    losses.train.splice(from, Infinity, ...train);
    losses.test.splice(from, Infinity, ...test);
    if (!drawn) {
      drawn = true;
      requestAnimationFrame(draw);
    }
  };
  events.onerror = () => { if (events.readyState === EventSource.CLOSED) say("The server has ended. Start fastnn play again."); };
}

// ---- settings ----

function show(answer) {
  description = answer;
  settings = answer.settings;
  losses = { train: [], test: [] };
  selected = null;
  frame = null;
  confusionShown = "";
  for (const id of NUMBERS) $(id).value = settings[id];
  fill("loss", start.losses[answer.losses]);
  for (const id of CHOICES) $(id).value = settings[id];
  $("data-text").textContent = start.data_sets[settings.data] ?? (settings.data === "table"
    ? `${start.table.name}: ${start.table.target}` : "Your own points");
  for (const id of ["n", "noise"]) $(id).disabled = !(settings.data in start.data_sets);
  $("n-params").textContent = `${answer.n_params.toLocaleString("en")} parameters`;
  showLayers();
  showLegend();
  showUnit();
}

function fill(id, names) {
  $(id).replaceChildren(...names.map((name) => new Option(name, name)));
}

function showLayers() {
  const { hidden, activations } = settings;
  $("layer-count").textContent = `${hidden.length} hidden layer${hidden.length === 1 ? "" : "s"}`;
  $("fewer").disabled = !hidden.length;
  $("more").disabled = hidden.length >= start.max_layers;
  $("layers").replaceChildren(...hidden.map((units, i) => {
    const box = document.createElement("label"), number = document.createElement("input");
    box.append(`Layer ${i + 1}`);
    Object.assign(number, { type: "number", min: 1, max: start.max_units, value: units });
    number.dataset.help = "units";
    number.setAttribute("aria-label", `Units of layer ${i + 1}`);
    number.onchange = () => change({ hidden: hidden.with(i, Number(number.value)) });
    const choice = document.createElement("select");
    choice.append(...start.activations.map((name) => new Option(name, name)));
    choice.value = activations[i];
    choice.dataset.help = "activation";
    choice.setAttribute("aria-label", `Activation of layer ${i + 1}`);
    choice.onchange = () => change({ activations: activations.with(i, choice.value) });
    box.append(number, choice);
    return box;
  }));
}

function showLegend() {
  const { kind, classes, range, axes } = description.points;
  const what = kind === "numbers"
    ? `Orange ${short(range[0])}, blue ${short(range[1])}`
    : classes.length === 2 ? `Orange: ${classes[0]}, blue: ${classes[1]}` : `Classes ${classes.join(", ")}`;
  $("legend").textContent = `${what}. Squares are held out. Right: ${axes[0]}, up: ${axes[1]}.`;
  $("score-name").textContent = kind === "numbers" ? "R²" : "Accuracy";
  $("confusion-box").hidden = kind === "numbers";
  $("drawing").hidden = description.sizes[0] !== 2;
}

async function change(values) {
  const wanted = { ...settings, ...values };
  let answer;
  try {
    answer = await command({ do: "settings", settings: wanted });
  } catch {
    show({ ...description, settings });
    return;
  }
  if (answer.points) show(answer);
  else {
    settings = description.settings = wanted;
    showLayers();
  }
  saveAddress();
}

async function saveAddress() {
  const state = await ask(`/api/state?tab=${tab}`);
  delete state.step;
  history.replaceState(null, "", `/#${encodeURIComponent(JSON.stringify(state))}`);
}

// ---- drawing ----

const theme = () => palette(dark.matches);

function draw() {
  drawn = false;
  if (!frame) return;
  shown += 1;
  const { points } = description;
  drawSurface($("surface"), frame, points, theme(), $("show-test").checked);
  const units = drawNetwork($("network"), description.sizes, frame, theme(), selected);
  placeUnits(units);
  drawCurves($("curves"), losses.train, losses.test, theme());
  const percent = (x) => points.kind === "numbers" ? short(x) : x === null ? "–" : `${(100 * x).toFixed(1)} %`;
  const texts = {
    epochs: frame.epoch.toLocaleString("en"), steps: frame.step.toLocaleString("en"),
    "lr-now": short(frame.lr), "per-second": frame.playing ? frame.steps_per_second.toLocaleString("en") : "–",
    score: percent(frame.score), "test-score": percent(frame.test_score),
    "loss-now": short(frame.loss), "test-loss": short(frame.test_loss),
  };
  for (const [id, text] of Object.entries(texts)) if ($(id).textContent !== text) $(id).textContent = text;
  $("position").max = frame.last;
  if (document.activeElement !== $("position") || frame.playing) $("position").value = frame.step;
  $("play-name").textContent = frame.playing ? "Pause" : "Train";
  $("play-icon").setAttribute("d", frame.playing ? "M3 2h4v12H3zM9 2h4v12H9z" : "M3 2v12l11-6z");
  $("pending").hidden = !frame.pending;
  $("surface").setAttribute("aria-label", `Decision surface after epoch ${texts.epochs}: `
    + `${$("score-name").textContent} ${texts.score}, held out ${texts["test-score"]}`);
  if (frame.diverged) say(frame.diverged);
  if (frame.epoch >= frame.last_epoch) say(`Training ends after ${frame.last_epoch.toLocaleString("en")} epochs. Go back, or start over.`);
  showConfusion();
  showUnit();
}

function placeUnits(units) {
  const box = $("units"), flat = units.flatMap((layer, l) => l ? layer.map((unit, i) => [l - 1, i, unit]) : []);
  if (box.childElementCount !== flat.length) {
    box.replaceChildren(...flat.map(([l, i]) => {
      const button = document.createElement("button"), isOutput = l === units.length - 2;
      button.setAttribute("aria-label", isOutput ? `Output ${i + 1}` : `Layer ${l + 1}, unit ${i + 1}`);
      button.onclick = () => select([l, i]);
      return button;
    }));
  }
  flat.forEach(([l, i, unit], k) => {
    const { style } = box.children[k], size = `${Math.max(unit.size, 12)}px`;
    box.children[k].setAttribute("aria-pressed", String(selected?.[0] === l && selected?.[1] === i));
    Object.assign(style, { left: `${unit.x}px`, top: `${unit.y}px`, width: size, height: size });
  });
}

async function select(unit) {
  selected = selected && unit[0] === selected[0] && unit[1] === selected[1] ? null : unit;
  await command({ do: "select", unit: selected });
}

function cells(tag, values) {
  const row = document.createElement("tr");
  row.append(...values.map((value) => Object.assign(document.createElement(tag), { textContent: value })));
  return row;
}

function showConfusion() {
  if (!frame.confusion || String(frame.confusion) === confusionShown) return;
  confusionShown = String(frame.confusion);
  const { classes, test } = description.points, rows = [cells("th", ["is \\ predicted", ...classes])];
  frame.confusion.forEach((counts, i) => {
    const row = cells("td", counts), head = document.createElement("th");
    head.textContent = classes[i];
    row.children[i].className = "right";
    row.prepend(head);
    rows.push(row);
  });
  $("confusion").replaceChildren(...rows);
  $("confusion-rows").textContent = test.y.length ? "(held-out points)" : "(training points)";
}

// The four lines of math, with the numbers of one unit and of the first training point.
function showUnit() {
  const unit = frame?.unit;
  $("no-unit").hidden = Boolean(unit);
  $("unit").hidden = !unit;
  if (!unit) return;
  const isOutput = unit.layer === description.sizes.length - 2;
  $("unit-name").textContent = (isOutput ? `Output ${unit.unit + 1}` : `Layer ${unit.layer + 1}, unit ${unit.unit + 1}`)
    + ", for the first training point:";
  const terms = unit.inputs.slice(0, 3).map((x, i) => `${short(x)}·${short(unit.weights[i])}`).join(" + ")
    + (unit.inputs.length + unit.more > 3 ? " + …" : "");
  $("formulas").textContent = [
    `z = x w + b          = ${terms} + ${short(unit.bias)} = ${short(unit.z)}`,
    `a = ${unit.activation}(z)`.padEnd(20) + ` = ${short(unit.a)}`,
    `L = ${settings.loss}(a, y)`.padEnd(20) + ` = ${short(frame.loss)} over all training points`,
    `w ← w − rate · dL/dw   (${settings.optimizer}, rate ${short(frame.lr)})`,
  ].join("\n");
  const rows = [cells("th", ["input", "x", "w", "dL/dw"])];
  unit.names.forEach((name, i) => rows.push(cells("td", [name, short(unit.inputs[i]), short(unit.weights[i]), short(unit.dW[i])])));
  rows.push(cells("td", ["b", "1", short(unit.bias), short(unit.db)]));
  if (unit.more) rows.push(cells("td", [`and ${unit.more} more`, "", "", ""]));
  $("unit-table").replaceChildren(...rows);
}

// ---- controls ----

const toggle = () => command({ do: frame?.playing ? "pause" : "play" });
const back = () => command({ do: "seek", step: frame.step - 1 });

function wire() {
  $("play").onclick = toggle;
  $("step").onclick = () => command({ do: "step" });
  $("epoch").onclick = () => command({ do: "epoch" });
  $("back").onclick = back;
  $("reset").onclick = () => command({ do: "seek", step: 0 });
  $("speed").value = "1";
  $("speed").onchange = () => command({ do: "speed", steps: Number($("speed").value) });
  $("stop").onchange = () => command({ do: "stop", epochs: Number($("stop").value) });
  $("position").oninput = () => command({ do: "seek", step: Number($("position").value) });
  $("show-test").onchange = draw;
  for (const id of NUMBERS) $(id).onchange = () => change({ [id]: Number($(id).value) });
  for (const id of CHOICES) $(id).onchange = () => change({ [id]: $(id).value });
  $("fewer").onclick = () => change({ hidden: settings.hidden.slice(0, -1), activations: settings.activations.slice(0, -1) });
  $("more").onclick = () => change({
    hidden: [...settings.hidden, settings.hidden.at(-1) ?? 4],
    activations: [...settings.activations, settings.activations.at(-1) ?? "tanh"],
  });
  $("lesson").onchange = () => teach($("lesson").value);
  $("copy-python").onclick = () => copyCode("python");
  $("copy-command").onclick = () => copyCode("command");
  $("copy-link").onclick = async () => { await saveAddress(); copy(location.href); };
  $("download").onclick = () => { $("download").href = `/api/network.safetensors?tab=${tab}`; };
  for (const name of ["focusin", "pointerover"]) document.addEventListener(name, (event) => {
    const key = event.target.closest?.("[data-help]")?.dataset.help;
    if (key) $("help").textContent = start.help[key];
  });
  document.addEventListener("keydown", keys);
  dark.addEventListener("change", draw);
  addEventListener("resize", draw);
  wirePen();
}

function keys(event) {
  if (event.target.closest("input, select, textarea, button, a") || event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = {
    " ": toggle, ArrowRight: () => command({ do: event.shiftKey ? "epoch" : "step" }),
    ArrowLeft: back, Home: () => command({ do: "seek", step: 0 }),
  };
  if (actions[event.key]) {
    event.preventDefault();
    actions[event.key]();
  }
}

async function teach(number) {
  const lesson = start.lessons[number];
  $("lesson-text").hidden = !lesson;
  if (!lesson) return;
  $("watch").textContent = lesson.watch;
  $("then").textContent = lesson.then;
  losses = { train: [], test: [] };
  await openTab({ step: 0, settings: [[0, lesson.settings]] });
  $("speed").value = "10";
  await command({ do: "speed", steps: 10 });
  await command({ do: "play" });
  saveAddress();
}

async function copyCode(kind) {
  await command({ do: "pause" });
  const { code } = await ask(`/api/code?tab=${tab}&kind=${kind}`);
  $("code").hidden = false;
  $("code").value = code;
  copy(code);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    $("help").textContent = "Copied.";
  } catch {
    $("code").hidden = false;
    $("code").value = text;
    $("code").select();
    $("help").textContent = "Copy the selected text.";
  }
}

// ---- points drawn by hand ----

function wirePen() {
  const pen = () => document.querySelector("[name=pen]:checked").value;
  for (const radio of document.querySelectorAll("[name=pen]")) {
    radio.onchange = () => $("surface").classList.toggle("pen", pen() !== "");
  }
  let isDown = false, last = 0;
  const add = (event) => {
    if (pen() === "" || event.timeStamp - last < 40) return;
    last = event.timeStamp;
    const box = $("surface").getBoundingClientRect(), { center, radius } = description.points;
    const u = 2 * (event.clientX - box.left) / box.width - 1, v = 1 - 2 * (event.clientY - box.top) / box.height;
    points ??= [];
    points.push([+(center[0] + u * radius).toFixed(3), +(center[1] + v * radius).toFixed(3), Number(pen())]);
    const { train, test } = description.points;
    if (points.length === 1) train.at = [], train.y = [], test.at = [], test.y = [];
    train.at.push([u, v]);
    train.y.push(Number(pen()));
    draw();
  };
  $("surface").onpointerdown = (event) => { isDown = true; add(event); };
  $("surface").onpointermove = (event) => { if (isDown) add(event); };
  addEventListener("pointerup", async () => {
    if (!isDown) return;
    isDown = false;
    if (points?.some((p) => p[2] === 0) && points.some((p) => p[2] === 1)) {
      show(await command({ do: "points", points, settings: { ...settings, test: 0 } }));
      saveAddress();
    }
  });
  $("clear").onclick = () => { points = null; change({ data: "circles" }); };
}

// ---- start ----

async function main() {
  start = await ask("/api/start");
  const sets = [...Object.keys(start.data_sets), ...(start.table ? ["table"] : []), "points"];
  fill("data", sets);
  $("data").lastElementChild.disabled = true; // drawn, not chosen
  for (const [id, names] of [["optimizer", start.optimizers], ["schedule", start.schedules]]) fill(id, names);
  $("lesson").append(...start.lessons.map((lesson, i) => new Option(`${i + 1}. ${lesson.title}`, i)));
  wire();
  let state = null;
  if (location.hash.length > 1) {
    try {
      state = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    } catch {
      say("The address holds no settings of this page.");
    }
  }
  await openTab(state ?? start.state);
  points = state?.points ?? null;
}

// for tests and benchmarks
globalThis.fastnnPlay = { frames: () => shown, frame: () => frame, settings: () => settings };
main().catch((error) => say(error.message));
