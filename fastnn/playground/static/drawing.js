// Draws networks, surfaces and curves on canvases. The page of `fastnn play`, the notebook widget and
// the documentation share this module. It imports nothing and touches nothing but what it is given.
//
// A frame is what fastnn/playground/picture.py returns. Arrays in it are base64.

// The colours of fastnn.plotting, which people with colour blindness can tell apart.
export const CLASS_COLORS = [
  "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777", "#8C564B",
  "#B2DF8A", "#6A3D9A",
];
const ORANGE = [213, 94, 0], BLUE = [0, 114, 178];

export function palette(dark) {
  return dark
    ? { paper: [23, 25, 29], ink: "#e6e8eb", faint: "#8b929c", grid: "#3a3f47", dark }
    : { paper: [255, 255, 255], ink: "#1c2024", faint: "#5f6873", grid: "#d9dde2", dark };
}

export function bytes(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

export function floats(text) {
  return new Float32Array(bytes(text).buffer);
}

function mix(a, b, t) {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
}

function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

// From orange (0) over paper to blue (255). The table is made once for each theme.
const ramps = new Map();
function ramp(theme) {
  let table = ramps.get(theme.dark);
  if (!table) {
    table = new Uint8ClampedArray(4 * 256);
    const strength = theme.dark ? 0.8 : 0.75;
    for (let i = 0; i < 256; i++) {
      const t = i / 127.5 - 1;
      table.set([...mix(theme.paper, t < 0 ? ORANGE : BLUE, Math.abs(t) * strength), 255], 4 * i);
    }
    ramps.set(theme.dark, table);
  }
  return table;
}

// A canvas of n x n pixels of a surface; the browser scales it up smoothly.
function surfaceImage(values, theme, certainty) {
  const n = Math.round(Math.sqrt(values.length));
  const canvas = new OffscreenCanvas(n, n);
  const context = canvas.getContext("2d"), image = context.createImageData(n, n);
  if (certainty) {
    const colors = CLASS_COLORS.map(rgb);
    for (let i = 0; i < values.length; i++) {
      const strength = 0.15 + (0.6 * certainty[i]) / 255;
      image.data.set([...mix(theme.paper, colors[values[i] % colors.length], strength), 255], 4 * i);
    }
  } else {
    const table = ramp(theme);
    for (let i = 0; i < values.length; i++) {
      image.data.set(table.subarray(4 * values[i], 4 * values[i] + 4), 4 * i);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// Fits a canvas to its place on the page, in device pixels. Returns its context and its size.
export function prepare(canvas, ratio = globalThis.devicePixelRatio || 1) {
  const width = canvas.clientWidth || canvas.width, height = canvas.clientHeight || canvas.height;
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

function pointColor(points, y) {
  if (points.kind === "classes") return CLASS_COLORS[y % CLASS_COLORS.length];
  const [low, high] = points.range, t = high > low ? (y - low) / (high - low) : 0.5;
  const c = t < 0.5 ? mix([255, 255, 255], ORANGE, 1 - 2 * t) : mix([255, 255, 255], BLUE, 2 * t - 1);
  return `rgb(${c.map(Math.round).join(" ")})`;
}

// The decision surface, with the points on it. Held-out points are squares, training points circles.
export function drawSurface(canvas, frame, points, theme, showTest = true) {
  const { context, width, height } = prepare(canvas);
  if (frame) {
    const certainty = frame.certainty ? bytes(frame.certainty) : null;
    const image = surfaceImage(bytes(frame.surface), theme, certainty);
    context.imageSmoothingEnabled = !certainty;
    context.drawImage(image, 0, 0, width, height);
  }
  const size = Math.max(2.2, Math.min(4.2, width / 110)) * (points.train.y.length > 1500 ? 0.6 : 1);
  context.lineWidth = 1;
  context.strokeStyle = theme.dark ? "#111418" : "#ffffff";
  const place = ([u, v]) => [((u + 1) / 2) * width, ((1 - v) / 2) * height];
  points.train.at.forEach((at, i) => {
    const [x, y] = place(at);
    context.beginPath();
    context.arc(x, y, size, 0, 7);
    context.fillStyle = pointColor(points, points.train.y[i]);
    context.fill();
    context.stroke();
  });
  if (!showTest) return;
  points.test.at.forEach((at, i) => {
    const [x, y] = place(at);
    context.fillStyle = pointColor(points, points.test.y[i]);
    context.fillRect(x - size, y - size, 2 * size, 2 * size);
    context.strokeRect(x - size, y - size, 2 * size, 2 * size);
  });
}

// Where each unit is drawn: layers from left to right, {x, y, size} in CSS pixels.
export function layout(sizes, width, height) {
  const shown = sizes.map((n) => Math.min(n, 32)), deepest = Math.max(...shown);
  const size = Math.max(9, Math.min(38, (height - 16) / deepest - 5, width / sizes.length / 1.9));
  return shown.map((n, layer) => {
    const x = sizes.length === 1 ? width / 2
      : size / 2 + 8 + (layer * (width - size - 16)) / (sizes.length - 1);
    const gap = Math.min((height - 16) / n, size * 1.6);
    return Array.from({ length: n }, (_, i) => ({
      x, y: height / 2 + (i - (n - 1) / 2) * gap, size,
    }));
  });
}

// The network: units as small surfaces, weights as lines. Blue is positive, orange negative.
export function drawNetwork(canvas, sizes, frame, theme, selected) {
  const { context, width, height } = prepare(canvas), units = layout(sizes, width, height);
  frame.weights.forEach((text, layer) => {
    const W = floats(text), n = sizes[layer + 1];
    let largest = 1e-9;
    for (const w of W) largest = Math.max(largest, Math.abs(w));
    const many = sizes[layer] * n > 400;
    units[layer].forEach((from, i) => units[layer + 1].forEach((to, j) => {
      const w = W[i * n + j], t = Math.abs(w) / largest;
      if (t < (many ? 0.25 : 0.04)) return;
      const isChosen = selected && selected[0] === layer && selected[1] === j;
      context.beginPath();
      context.moveTo(from.x + from.size / 2, from.y);
      const middle = (from.x + to.x) / 2;
      context.bezierCurveTo(middle, from.y, middle, to.y, to.x - to.size / 2, to.y);
      context.lineWidth = 0.4 + 3.6 * t;
      context.globalAlpha = isChosen ? 1 : (selected ? 0.25 : 0.2 + 0.7 * t);
      context.strokeStyle = w > 0 ? "#0072B2" : "#D55E00";
      context.stroke();
    }));
  });
  context.globalAlpha = 1;
  context.imageSmoothingEnabled = true;
  units.forEach((layer, l) => layer.forEach((unit, i) => {
    const x = unit.x - unit.size / 2, y = unit.y - unit.size / 2;
    const surface = l > 0 && l < units.length - 1 ? frame.units[l - 1][i] : null;
    if (surface) {
      context.drawImage(surfaceImage(bytes(surface), theme), x, y, unit.size, unit.size);
    } else {
      context.fillStyle = l === 0 ? (theme.dark ? "#2b2f36" : "#eef0f3")
        : CLASS_COLORS[sizes.at(-1) > 1 ? i % CLASS_COLORS.length : 1];
      context.fillRect(x, y, unit.size, unit.size);
    }
    const isChosen = selected && selected[0] === l - 1 && selected[1] === i;
    context.lineWidth = isChosen ? 3 : 1;
    context.strokeStyle = isChosen ? theme.ink : theme.faint;
    context.strokeRect(x, y, unit.size, unit.size);
  }));
  return units;
}

function niceTicks(low, high, count) {
  const span = high - low || 1, rough = span / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => span / s <= count) || 10 * power;
  const ticks = [];
  for (let t = Math.ceil(low / step) * step; t <= high + 1e-9 * span; t += step) ticks.push(t);
  return ticks;
}

// A line with its number for each tick of the vertical axis.
function drawGrid(context, ticks, y, left, right, theme) {
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = theme.faint;
  context.strokeStyle = theme.grid;
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of ticks) {
    context.beginPath();
    context.moveTo(left, y(tick));
    context.lineTo(right, y(tick));
    context.stroke();
    context.fillText(short(tick), left - 6, y(tick));
  }
  context.textBaseline = "alphabetic";
}

export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e5)) return value.toExponential(1);
  return String(+value.toPrecision(3));
}

// Losses after each epoch: training a full line, held out a dashed one. At most two points a pixel.
// epochs: of the whole axis.
export function drawCurves(canvas, train, test, theme, epochs = train.length) {
  const { context, width, height } = prepare(canvas);
  const left = 44, right = 8, top = 8, bottom = 22, n = Math.max(epochs, 2);
  let high = 0;
  for (const values of [train, test]) for (const v of values) if (v !== null && v > high) high = v;
  const first = train.length ? train[0] : 1;
  high = Math.min(high || 1, 3 * (first || 1));
  const x = (i) => left + ((width - left - right) * i) / (n - 1);
  const y = (v) => top + (height - top - bottom) * (1 - Math.min(v, high) / high);
  drawGrid(context, niceTicks(0, high, 4), y, left, width - right, theme);
  for (const tick of niceTicks(1, n, 5)) {
    context.textAlign = x(tick - 1) > width - 30 ? "right" : "center";
    if (tick % 1 === 0) context.fillText(tick.toLocaleString("en"), x(tick - 1), height - 6);
  }
  const step = Math.max(1, Math.floor(n / (2 * width)));
  for (const [values, color, dash] of [[train, theme.ink, []], [test, "#CC79A7", [5, 3]]]) {
    context.beginPath();
    context.setLineDash(dash);
    context.lineWidth = 1.8;
    context.strokeStyle = color;
    let begun = false;
    for (let i = 0; i < values.length; i += step) {
      if (values[i] === null) continue;
      begun ? context.lineTo(x(i), y(values[i])) : context.moveTo(x(i), y(values[i]));
      begun = true;
    }
    context.stroke();
  }
  context.setLineDash([]);
}

// The curve of a column around a row, with the mean curve of training rows and the row's own value.
// column: {kind, values, curve, mean, at}; range: lowest and highest prediction of the picture.
export function drawEffect(canvas, column, range, theme) {
  const { context, width, height } = prepare(canvas);
  const left = 42, right = 8, top = 6, bottom = 20, { kind, values, curve, mean, at } = column;
  const [low, high] = range[1] > range[0] ? range : [range[0] - 1, range[0] + 1];
  const numbers = kind === "number" ? values.map(Number)
    : kind === "date" ? values.map((text) => Date.parse(text)) : values.map((_, i) => i);
  const finite = numbers.filter(Number.isFinite), first = Math.min(...finite), last = Math.max(...finite);
  const isBars = kind === "category", slot = (width - left - right) / values.length;
  const x = (v) => left + ((width - left - right) * (v - first)) / (last - first || 1);
  const y = (v) => top + (height - top - bottom) * (1 - (v - low) / (high - low));
  drawGrid(context, niceTicks(low, high, 3), y, left, width - right, theme);
  if (isBars) {
    values.forEach((value, i) => {
      const middle = left + slot * (i + 0.5), isRow = String(value) === String(at ?? "missing");
      context.fillStyle = isRow ? "#0072B2" : theme.grid;
      context.fillRect(middle - slot * 0.35, Math.min(y(curve[i]), y(low)), slot * 0.7, Math.abs(y(low) - y(curve[i])));
      context.fillStyle = theme.ink;
      context.fillRect(middle - slot * 0.4, y(mean[i]) - 0.75, slot * 0.8, 1.5);
      context.fillStyle = theme.faint;
      context.textAlign = "center";
      const room = Math.floor(slot / 6.5), text = String(value);
      if (room > 1) context.fillText(text.length > room ? `${text.slice(0, room - 1)}…` : text, middle, height - 6);
    });
    return;
  }
  context.textAlign = "left";
  context.fillText(kind === "date" ? values[0] : short(first), left, height - 6);
  context.textAlign = "right";
  context.fillText(kind === "date" ? values.at(-1) : short(last), width - right, height - 6);
  for (const [line, color, dash] of [[mean, theme.faint, [4, 3]], [curve, "#0072B2", []]]) {
    context.beginPath();
    context.setLineDash(dash);
    context.strokeStyle = color;
    context.lineWidth = dash.length ? 1.4 : 2.2;
    line.forEach((v, i) => { if (Number.isFinite(numbers[i])) context.lineTo(x(numbers[i]), y(v)); });
    context.stroke();
  }
  context.setLineDash([]);
  const place = kind === "date" ? Date.parse(at) : Number(at);
  if (at === null || !Number.isFinite(place)) return;
  const next = Math.max(1, numbers.findIndex((v) => v >= place)), a = numbers[next - 1], b = numbers[next];
  const t = b > a ? Math.min(1, Math.max(0, (place - a) / (b - a))) : 0;
  context.beginPath();
  context.arc(x(Math.min(Math.max(place, first), last)), y(curve[next - 1] + t * (curve[next] - curve[next - 1])), 4.5, 0, 7);
  context.fillStyle = "#D55E00";
  context.fill();
}
