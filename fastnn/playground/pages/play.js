// The page of `fastnn play`: controls, commands to the server, and its stream of frames.
import { MOST_DRAWN, drawCurves, drawNetwork, drawSurface, short } from "/drawing.js";
import { placeUnits, showConfusion, showUnit } from "/details.js";
import { drawNetworks, showNetworks } from "/many.js";
import { $, ask, dark, element, listen, say, setTexts, theme } from "/page.js";
import { wirePen } from "/pen.js";

const NUMBERS = ["n", "noise", "test", "data_seed", "lr", "schedule_epochs", "batch", "l1", "l2", "dropout", "seed"];
const CHOICES = ["data", "loss", "optimizer", "schedule", "dtype"];
const pen = { points: null }; // what has been drawn by hand
const early = []; // frames of networks whose description has not arrived
let start, tab, events = null, variation = null; // variation: of many networks, or null for one
let description, settings, frame = null, selected = null;
let losses = { train: [], test: [] }, drawn = false, shown = 0;

const command = (message) => ask(`/api/command?tab=${tab}`, message);

// ---- tabs ----

// Shows one network, or with a variation many of them, at a state.
async function openTab(state, kind = null) {
  const answer = await ask("/api/tabs", { state, variation: kind });
  events?.close();
  tab = answer.tab;
  $("download").href = `/api/network.safetensors?tab=${tab}`;
  pen.points = state.points ?? null;
  variation = kind;
  document.body.classList.toggle("many", variation !== null);
  for (const [id, is] of [["one", !variation], ["many", variation]]) $(id).setAttribute("aria-pressed", String(Boolean(is)));
  show(answer);
  events = listen(tab, take);
  if (!variation) await command({ do: "speed", steps: Number($("speed").value) });
  await command({ do: "stop", epochs: Number($("stop").value) });
}

const stateOf = (values) => ({ step: 0, settings: [[0, values]], ...(pen.points && values.data === "points" && { points: pen.points }) });

async function openMany(kind, values = settings) {
  await openTab(stateOf(values), kind);
  await command({ do: "play" });
  saveAddress();
}

async function openOne(state = stateOf(settings)) {
  await openTab(state);
  saveAddress();
}

function take(next) {
  if (next.network !== description.network) {
    early.push(next);
    return;
  }
  frame = next;
  if (frame.losses) {
    const { from, train, test } = frame.losses;
    losses.train.splice(from, Infinity, ...train);
    losses.test.splice(from, Infinity, ...test);
  }
  if (!drawn) {
    drawn = true;
    requestAnimationFrame(draw);
  }
}

// ---- settings ----

function show(answer) {
  description = answer;
  settings = answer.settings;
  losses = { train: [], test: [] };
  selected = null;
  frame = null;
  fill("loss", start.losses[answer.losses]);
  showSettings();
  $("data-text").textContent = start.data_sets[settings.data] ?? (settings.data === "table"
    ? [`${start.table.name}: ${start.table.target}.`, ...answer.notes.map((note) => `${note}.`)].join(" ") : "Your own points");
  for (const id of ["n", "noise"]) $(id).disabled = !(settings.data in start.data_sets);
  if (variation) {
    $("variation").value = variation;
    showNetworks(answer, async (network) => openOne(await command({ do: "open", network })));
  } else {
    const [n] = answer.sizes, part = n > MOST_DRAWN ? `, ${MOST_DRAWN} of ${n} inputs drawn` : "";
    $("n-params").textContent = `${answer.n_params.toLocaleString("en")} parameters${part}`;
    showLegend();
    showUnit(null);
  }
  for (const each of early.splice(0)) if (each.network === answer.network) take(each);
}

function showSettings() {
  for (const id of [...NUMBERS, ...CHOICES]) $(id).value = settings[id];
  showLayers();
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
    const number = element("input", { type: "number", min: 1, max: start.max_units, value: units });
    number.dataset.help = "units";
    number.disabled = variation === "rates"; // the map has its own widths
    number.setAttribute("aria-label", `Units of layer ${i + 1}`);
    number.onchange = () => change({ hidden: hidden.with(i, Number(number.value)) });
    const choice = element("select", {}, ...start.activations.map((name) => new Option(name, name)));
    choice.value = activations[i];
    choice.dataset.help = "activation";
    choice.setAttribute("aria-label", `Activation of layer ${i + 1}`);
    choice.onchange = () => change({ activations: activations.with(i, choice.value) });
    return element("div", { className: "layer" }, `Layer ${i + 1}`, number, choice);
  }));
}

function showLegend() {
  const { kind, classes, range, axes } = description.points;
  const what = kind === "numbers"
    ? `Orange ${short(range[0])}, blue ${short(range[1])}`
    : classes.length > 2 ? `Classes ${classes.join(", ")}`
    : classes[0] === "orange" ? "Circles are trained on" : `Orange: ${classes[0]}, blue: ${classes[1]}`;
  $("legend").textContent = `${what}. Squares are held out. Right: ${axes[0]}, up: ${axes[1]}.`;
  $("score-name").textContent = kind === "numbers" ? "R²" : "Accuracy";
  $("confusion-box").hidden = kind === "numbers";
  $("drawing").hidden = description.sizes[0] !== 2;
}

let changes = Promise.resolve(); // one after another, so that each begins with the settings of the last

function change(values) {
  changes = changes.then(() => applyChange(values));
}

async function applyChange(values) {
  const wanted = { ...settings, ...values };
  try {
    if (variation) {
      await openMany(variation, wanted);
      return;
    }
    const answer = await command({ do: "settings", settings: wanted });
    if (answer.points) show(answer);
    else {
      settings = description.settings = wanted;
      showLayers();
    }
  } catch {
    showSettings(); // the message says why these were refused
    return;
  }
  await saveAddress();
}

// The address holds the state, but not the step: the page begins it anew.
async function saveAddress() {
  const state = variation ? { ...stateOf(settings), variation } : await ask(`/api/state?tab=${tab}`);
  delete state.step;
  history.replaceState(null, "", `/#${encodeURIComponent(JSON.stringify(state))}`);
}

// ---- drawing ----

function draw() {
  drawn = false;
  if (!frame) return;
  shown += 1;
  $("play-name").textContent = frame.playing ? "Pause" : "Train";
  $("play-icon").setAttribute("d", frame.playing ? "M3 2h4v12H3zM9 2h4v12H9z" : "M3 2v12l11-6z");
  setTexts({ epochs: frame.epoch.toLocaleString("en") });
  if (variation) drawNetworks(frame);
  else drawOne();
}

function drawOne() {
  const { points, sizes } = description;
  drawSurface($("surface"), frame, points, theme(), $("show-test").checked);
  placeUnits(drawNetwork($("network"), sizes, frame, theme(), selected), sizes, selected, select);
  drawCurves($("curves"), losses.train, losses.test, theme());
  const score = (x) => points.kind === "numbers" ? short(x) : x === null ? "–" : `${(100 * x).toFixed(1)} %`;
  setTexts({
    steps: frame.step.toLocaleString("en"), "lr-now": short(frame.lr),
    "per-second": frame.playing ? frame.steps_per_second.toLocaleString("en") : "–",
    score: score(frame.score), "test-score": score(frame.test_score),
    "loss-now": short(frame.loss), "test-loss": short(frame.test_loss),
  });
  $("position").max = frame.last;
  if (document.activeElement !== $("position") || frame.playing) $("position").value = frame.step;
  $("pending").hidden = !frame.pending;
  $("surface").setAttribute("aria-label", `Decision surface after epoch ${frame.epoch}: `
    + `${$("score-name").textContent} ${score(frame.score)}, held out ${score(frame.test_score)}`);
  if (frame.diverged) say(frame.diverged);
  if (frame.epoch >= frame.last_epoch) say(`Training ends after ${frame.last_epoch.toLocaleString("en")} epochs. Go back, or start over.`);
  showConfusion(frame.confusion, points);
  showUnit(frame, sizes, settings);
}

async function select(unit) {
  selected = String(unit) === String(selected) ? null : unit;
  await command({ do: "select", unit: selected });
}

// ---- controls ----

const toggle = () => command({ do: frame?.playing ? "pause" : "play" });
const back = () => command({ do: "seek", step: frame.step - 1 });
const reset = () => command(variation ? { do: "reset" } : { do: "seek", step: 0 });

function wire() {
  $("play").onclick = toggle;
  $("step").onclick = () => command({ do: "step" });
  $("epoch").onclick = () => command({ do: "epoch" });
  $("back").onclick = back;
  $("reset").onclick = reset;
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
  $("one").onclick = () => { if (variation) openOne(); };
  $("many").onclick = () => { if (!variation) openMany($("variation").value); };
  $("variation").onchange = () => openMany($("variation").value);
  $("lesson").onchange = () => teach($("lesson").value);
  $("copy-python").onclick = () => copyCode("python");
  $("copy-command").onclick = () => copyCode("command");
  $("copy-link").onclick = async () => { await saveAddress(); copy(location.href); };
  $("clear").onclick = () => { pen.points = null; change({ data: "circles" }); };
  for (const name of ["focusin", "pointerover"]) document.addEventListener(name, (event) => {
    const key = event.target.closest?.("[data-help]")?.dataset.help;
    if (key) $("help").textContent = start.help[key];
  });
  document.addEventListener("keydown", keys);
  dark.addEventListener("change", draw);
  addEventListener("resize", draw);
  wirePen(pen, placePoint, trainOnPoints);
  if (matchMedia("(hover: none)").matches) $("help").textContent = ""; // keys, of a screen without
}

function keys(event) {
  const isButton = event.target.closest("button, a") && event.key === " ";
  if (event.target.closest("input, select, textarea") || isButton || event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = { " ": toggle, Home: reset };
  if (!variation) Object.assign(actions, {
    ArrowRight: () => command({ do: event.shiftKey ? "epoch" : "step" }), ArrowLeft: back,
  });
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
  await openTab({ step: 0, settings: [[0, lesson.settings]] });
  await command({ do: "play" });
  saveAddress();
}

function placePoint(u, v, value) {
  const { center, radius, train, test } = description.points;
  pen.points.push([+(center[0] + u * radius).toFixed(3), +(center[1] + v * radius).toFixed(3), value]);
  if (pen.points.length === 1) train.at = [], train.y = [], test.at = [], test.y = [];
  train.at.push([u, v]);
  train.y.push(value);
  draw();
}

async function trainOnPoints() {
  show(await command({ do: "points", points: pen.points, settings: { ...settings, test: 0 } }));
  saveAddress();
}

// ---- copies ----

async function copyCode(kind) {
  await command({ do: "pause" });
  const { code } = await ask(`/api/code?tab=${tab}&kind=${kind}`);
  copy(code);
}

async function copy(text) {
  $("code").hidden = false;
  $("code").value = text;
  try {
    await navigator.clipboard.writeText(text);
    $("copied").textContent = "Copied:";
  } catch {
    $("code").select();
    $("copied").textContent = "The browser does not let this page copy. Copy the selected text:";
  }
}

// ---- start ----

async function main() {
  start = await ask("/api/start");
  fill("data", [...Object.keys(start.data_sets), ...(start.table ? ["table"] : []), "points"]);
  $("data").lastElementChild.disabled = true; // drawn, not chosen
  fill("optimizer", start.optimizers);
  fill("schedule", start.schedules);
  $("variation").append(...Object.entries(start.variations).map(([name, text]) => new Option(text, name)));
  $("lesson").append(...start.lessons.map((lesson, i) => new Option(`${i + 1}. ${lesson.title}`, i)));
  wire();
  const saved = readAddress() ?? start.state;
  try {
    await openTab(saved, saved.variation ?? null);
  } catch { // a state of another table, for example: the message says what is wrong
    await openTab(start.state);
  }
}

function readAddress() {
  if (location.hash.length < 2) return null;
  try {
    return JSON.parse(decodeURIComponent(location.hash.slice(1)));
  } catch {
    say("The address holds no settings of this page.");
    return null;
  }
}

// for tests and benchmarks
globalThis.fastnnPlay = { frames: () => shown, frame: () => frame, settings: () => settings, losses: () => losses };
main().catch((error) => say(error.message));
