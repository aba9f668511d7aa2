// The page of a trained table model: a row to change, the answer, and what each column does.
import { drawEffect, short } from "/drawing.js";
import { $, ask, dark, element, say, theme } from "/page.js";

const EXPLAINING_SHARE = 0.2; // of the time while the row changes: explanations take longer than answers
const MOST_CLASSES = 8; // that keep their order; of more, the most probable are shown
let model, row, output = 0;
let answer = null, explanation = null, answers = 0, drawn = 0;

// ---- questions to the model ----

let asking = false, waiting = false, explained = 0, explaining = 0;

// One request at a time: while it runs, changes of the row wait, and only the last one is asked.
async function update() {
  waiting = true;
  if (asking) return;
  asking = true;
  try {
    while (waiting) {
      waiting = false;
      const asked = { row, output };
      answer = await ask("/api/answer", asked);
      answers += 1;
      requestDrawing(drawAnswer);
      const began = performance.now();
      if (waiting && (began - explained) * EXPLAINING_SHARE < explaining) continue;
      explanation = await ask("/api/explain", asked);
      explained = performance.now();
      explaining = explained - began;
      requestDrawing(drawExplanation);
    }
  } finally {
    asking = false;
  }
}

const requested = new Set();
function requestDrawing(draw) {
  if (requested.has(draw)) return;
  requested.add(draw);
  requestAnimationFrame(() => {
    requested.delete(draw);
    draw();
  });
}

// ---- the row ----

function control(column) {
  const { name, axis, values } = column;
  const set = (value) => { row = { ...row, [name]: value }; update(); };
  if (axis === "category") {
    const choice = element("select", {}, ...values.map((value) => new Option(value, value)));
    choice.value = row[name];
    choice.onchange = () => set(choice.value);
    return element("label", {}, name, choice);
  }
  if (axis === "date") {
    const date = element("input", { type: "date", value: row[name] });
    date.onchange = () => set(date.value);
    return element("label", {}, name, date);
  }
  const [low, high] = [values[0], values.at(-1)], whole = values.every(Number.isInteger);
  const step = whole ? 1 : (high - low) / 200;
  const slider = element("input", { type: "range", min: low, max: high, step, value: row[name] });
  const number = element("input", { type: "number", step: "any", value: row[name] === null ? "" : +row[name].toPrecision(6) });
  slider.setAttribute("aria-label", name);
  slider.oninput = () => { number.value = +Number(slider.value).toPrecision(6); set(Number(slider.value)); };
  number.onchange = () => { slider.value = number.value; set(number.value === "" ? null : Number(number.value)); };
  return element("div", { className: "slider" }, element("label", {}, name, number), slider);
}

function textControl(name) {
  const text = element("textarea", { rows: 4, value: row[name], spellcheck: false });
  text.oninput = () => { row = { ...row, [name]: text.value }; update(); };
  return element("label", { className: "text" }, name, text);
}

function showRow() {
  $("row").replaceChildren(...model.texts.map(textControl), ...model.columns.map(control));
}

// ---- the answer ----

const inDigits = (x, digits) => Math.abs(x) >= 1e9 ? x.toExponential(digits - 1) : x.toLocaleString("en", { maximumSignificantDigits: digits });
const amount = (x) => model.is_number ? short(x) : `${(100 * x).toFixed(1)} %`;

function drawAnswer() {
  drawn += 1;
  if (model.is_number) {
    $("prediction").textContent = inDigits(answer.prediction, 5);
    const [low, high] = answer.interval ?? [];
    $("interval").textContent = answer.interval ? `90 % interval: ${inDigits(low, 4)} to ${inDigits(high, 4)}` : "";
  } else {
    drawClasses();
  }
  drawCurves();
}

function drawClasses() {
  const byProbability = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]), box = $("classes");
  const classes = byProbability.length > MOST_CLASSES ? byProbability.slice(0, MOST_CLASSES) : Object.entries(answer.probabilities);
  $("prediction").textContent = byProbability[0][0];
  if (box.childElementCount !== classes.length) {
    box.replaceChildren(...classes.map(() => element("label", {}, element("span"), element("progress", { max: 1 }), element("b"))));
  }
  classes.forEach(([name, p], i) => {
    const [label, bar, text] = box.children[i].children;
    label.textContent = name;
    bar.value = p;
    text.textContent = `${(100 * p).toFixed(1)} %`;
  });
}

// ---- curves ----

let means = [], meanRange = [0, 1]; // of the chosen output

function chooseOutput(number) {
  output = number;
  means = model.columns.map(({ mean }) => mean.map((x) => Array.isArray(x) ? x[output] : x));
  meanRange = rangeOf(means.flat());
}

const rangeOf = (values) => [Math.min(...values), Math.max(...values)];

function makeCurves() {
  $("curves-card").hidden = !model.columns.length; // all columns are free text
  const columns = Math.ceil(Math.sqrt(model.columns.length)), { style } = $("curves");
  style.setProperty("--columns", columns);
  style.setProperty("--rows", Math.ceil(model.columns.length / columns));
  $("curves").replaceChildren(...model.columns.map(({ name }) => {
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    return element("figure", {}, element("figcaption", {}, name), canvas);
  }));
}

function drawCurves() {
  const canvases = $("curves").querySelectorAll("canvas");
  const ranges = model.columns.map(({ name }) => rangeOf(answer.curves[name]));
  const range = rangeOf([...ranges.flat(), ...meanRange]); // one scale, so that columns can be compared
  model.columns.forEach((column, i) => {
    const [low, high] = ranges[i], { name } = column;
    canvases[i].setAttribute("aria-label", `Prediction by ${name}, from ${amount(low)} to ${amount(high)}`);
    drawEffect(canvases[i], { ...column, curve: answer.curves[name], mean: means[i], at: row[name] }, range, theme());
  });
}

// ---- what each column adds ----

function drawExplanation() {
  const { base, contributions, nearest, words, unit } = explanation;
  $("base").textContent = `Without them: ${amount(base)}, the mean of training rows`
    + `${model.is_number ? "" : ` for ${model.outputs[output]}`}.`;
  const parts = Object.entries(contributions).sort((a, b) => Math.abs(b[1].value) - Math.abs(a[1].value));
  const largest = Math.max(1e-12, ...parts.map(([, part]) => Math.abs(part.value)));
  $("contributions").replaceChildren(...parts.flatMap(([name, { value, error }]) => {
    const bar = element("i", { className: value < 0 ? "bar minus" : "bar plus" }), shown = words[name] ? "" : row[name] ?? "missing";
    bar.style.width = `${(100 * Math.abs(value)) / largest}%`;
    const size = amount(Math.abs(value)), sign = parseFloat(size) === 0 ? "" : value < 0 ? "−" : "+";
    const text = `${sign}${size}${error ? ` ± ${amount(error)}` : ""}`;
    const line = element("tr", {}, element("th", { scope: "row" }, name),
      element("td", {}, typeof shown === "number" ? inDigits(shown, 4) : shown),
      element("td", { className: "bars" }, bar), element("td", {}, text));
    if (!words[name]?.length) return [line];
    // the words of a text, in the units of what the networks read of it
    const list = element("ul", { className: "words" }, ...words[name].map((word) => element("li", {}, word)));
    return [line, element("tr", {}, element("td", { colSpan: 4 }, `Its words (${unit}):`, list))];
  }));
  $("nearest-card").hidden = !nearest;
  if (!nearest) return;
  // a row of the page for each column: five similar rows need less room beside each other than nine columns
  $("nearest").replaceChildren(...nearest.columns.map((name, i) => element("tr", {},
    element("th", { scope: "row" }, name), ...nearest.rows.map((values) => element("td", {}, values[i])))));
}

// ---- start ----

function draw() {
  if (answer) drawAnswer();
  if (explanation) drawExplanation();
}

async function main() {
  model = await ask("/api/model");
  document.title = `${model.name} · fastnn play`;
  $("name").textContent = model.name;
  row = { ...model.row };
  $("output-label").hidden = model.outputs.length < 2;
  $("output").append(...model.outputs.map((name, i) => new Option(name, i)));
  $("output").onchange = () => { chooseOutput(Number($("output").value)); update(); };
  $("again").textContent = `${model.row_name} again`;
  $("again").onclick = () => { row = { ...model.row }; showRow(); update(); };
  dark.addEventListener("change", draw);
  addEventListener("resize", draw);
  $("output").value = model.output;
  chooseOutput(model.output);
  makeCurves();
  showRow();
  update();
}

// for tests and benchmarks
globalThis.fastnnPlay = {
  answer: () => answer, explanation: () => explanation, answers: () => answers, drawn: () => drawn, row: () => row,
};
main().catch((error) => say(error.message));
