// The page of a trained table model: a row to change, the answer, and what each column does.
import { drawEffect, palette, short } from "/drawing.js";

const $ = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");
let model, row, answer = null, output = 0, asking = false, waiting = false, answers = 0;

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(path, options), value = await response.json();
  $("message").hidden = response.ok;
  if (!response.ok) {
    $("message").textContent = value.error;
    throw new Error(value.error);
  }
  return value;
}

// One request at a time: while it runs, changes of the row wait, and only the last one is asked.
async function update() {
  waiting = true;
  if (asking) return;
  asking = true;
  try {
    while (waiting) {
      waiting = false;
      answer = await ask("/api/row", { row, output });
      answers += 1;
      requestAnimationFrame(draw);
    }
  } finally {
    asking = false;
  }
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function control(column) {
  const { name, kind, values } = column;
  const set = (value) => { row = { ...row, [name]: value }; update(); };
  if (kind === "category") {
    const choice = element("select", {}, ...values.map((value) => new Option(value, value)));
    choice.value = row[name];
    choice.onchange = () => set(choice.value);
    return element("label", {}, name, choice);
  }
  if (kind === "date") {
    const date = element("input", { type: "date", value: row[name] });
    date.onchange = () => set(date.value);
    return element("label", {}, name, date);
  }
  const [low, high] = [values[0], values.at(-1)], whole = values.every(Number.isInteger);
  const step = whole ? 1 : (high - low) / 200;
  const slider = element("input", { type: "range", min: low, max: high, step, value: row[name] });
  const number = element("input", { type: "number", step: "any", value: +row[name].toPrecision(6) });
  slider.setAttribute("aria-label", name);
  slider.oninput = () => { number.value = +Number(slider.value).toPrecision(6); set(Number(slider.value)); };
  number.onchange = () => { slider.value = number.value; set(number.value === "" ? null : Number(number.value)); };
  return element("div", { className: "slider" }, element("label", {}, name, number), slider);
}

function showRow() {
  $("row").replaceChildren(...model.columns.map(control));
}

function draw() {
  const target = model.is_number ? "" : " %", format = (x) => model.is_number ? short(x) : (100 * x).toFixed(1);
  if (model.is_number) {
    $("prediction").textContent = answer.prediction.toLocaleString("en", { maximumSignificantDigits: 5 });
    $("interval").textContent = answer.interval ? `90 % interval: ${short4(answer.interval[0])} to ${short4(answer.interval[1])}` : "";
  } else {
    const classes = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
    $("prediction").textContent = classes[0][0];
    $("classes").replaceChildren(...classes.slice(0, 8).map(([name, p]) => {
      const bar = element("progress", { max: 1, value: p });
      bar.setAttribute("aria-label", name);
      return element("label", {}, name, bar, element("span", {}, `${(100 * p).toFixed(1)} %`));
    }));
  }
  $("base").textContent = `Without them: ${format(answer.base)}${target}, the mean of training rows`
    + `${model.is_number ? "" : ` for ${model.outputs[output]}`}.`;
  const parts = Object.entries(answer.contributions).sort((a, b) => Math.abs(b[1].value) - Math.abs(a[1].value));
  const largest = Math.max(1e-12, ...parts.map(([, part]) => Math.abs(part.value)));
  $("contributions").replaceChildren(...parts.map(([name, { value, error }]) => {
    const bar = element("i", { className: value < 0 ? "bar minus" : "bar plus" });
    bar.style.width = `${(70 * Math.abs(value)) / largest}px`;
    const text = `${value < 0 ? "−" : "+"}${format(Math.abs(value))}${target}${error ? ` ± ${format(error)}` : ""}`;
    const shown = row[name] ?? "missing";
    return element("tr", {}, element("th", {}, name), element("td", {}, typeof shown === "number" ? short4(shown) : shown),
      element("td", { className: "bars" }, bar), element("td", {}, text));
  }));
  drawCurves();
  $("nearest-card").hidden = !answer.nearest;
  if (answer.nearest) {
    $("nearest").replaceChildren(
      element("tr", {}, ...answer.nearest.columns.map((name) => element("th", {}, name))),
      ...answer.nearest.rows.map((values) => element("tr", {}, ...values.map((value) => element("td", {}, value)))));
  }
}

const short4 = (x) => x.toLocaleString("en", { maximumSignificantDigits: 4 });

function drawCurves() {
  const box = $("curves"), theme = palette(dark.matches);
  if (box.childElementCount !== model.columns.length) {
    box.replaceChildren(...model.columns.map(({ name }) => {
      const canvas = element("canvas");
      canvas.setAttribute("role", "img");
      return element("figure", {}, element("figcaption", {}, name), canvas);
    }));
  }
  const all = model.columns.flatMap(({ name, mean }) => [...answer.curves[name], ...mean.map(ofOutput)]);
  const range = [Math.min(...all), Math.max(...all)]; // one scale, so that columns can be compared
  model.columns.forEach((column, i) => {
    const canvas = box.children[i].lastElementChild;
    canvas.setAttribute("aria-label", `Prediction by ${column.name}, from ${short(Math.min(...answer.curves[column.name]))} to ${short(Math.max(...answer.curves[column.name]))}`);
    drawEffect(canvas, { ...column, curve: answer.curves[column.name], mean: column.mean.map(ofOutput), at: row[column.name] }, range, theme);
  });
}

const ofOutput = (x) => Array.isArray(x) ? x[output] : x;

async function main() {
  model = await ask("/api/model");
  document.title = `${model.name} · fastnn play`;
  $("name").textContent = model.name;
  row = { ...model.row };
  $("output-label").hidden = model.outputs.length < 2;
  $("output").append(...model.outputs.map((name, i) => new Option(name, i)));
  $("output").onchange = () => { output = Number($("output").value); update(); };
  $("again").onclick = () => { row = { ...model.row }; showRow(); update(); };
  dark.addEventListener("change", draw);
  addEventListener("resize", draw);
  showRow();
  update();
}

// for tests and benchmarks
globalThis.fastnnPlay = { answer: () => answer, answers: () => answers, row: () => row };
main().catch((error) => { $("message").textContent = error.message; $("message").hidden = false; });
