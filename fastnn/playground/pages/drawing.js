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

// Fits a canvas to its place on the page, in device pixels. Returns its context, its size, and `em`: the
// font size of the page by that of which the sizes in this module are.
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
  return { context, width, height, em: parseFloat(getComputedStyle(canvas).fontSize) / 15 };
}

const font = (em, size = 11) => `${size * em}px system-ui, sans-serif`;

function pointColor(points, y) {
  if (points.kind === "classes") return CLASS_COLORS[y % CLASS_COLORS.length];
  const [low, high] = points.range, t = high > low ? (y - low) / (high - low) : 0.5;
  const c = t < 0.5 ? mix([255, 255, 255], ORANGE, 1 - 2 * t) : mix([255, 255, 255], BLUE, 2 * t - 1);
  return `rgb(${c.map(Math.round).join(" ")})`;
}

// The decision surface, with the points on it. Held-out points are squares, training points circles.
export function drawSurface(canvas, frame, points, theme, showTest = true) {
  const { context, width, height, em } = prepare(canvas);
  if (frame) {
    const certainty = frame.certainty ? bytes(frame.certainty) : null;
    const image = surfaceImage(bytes(frame.surface), theme, certainty);
    context.imageSmoothingEnabled = !certainty;
    context.drawImage(image, 0, 0, width, height);
  }
  const size = em * Math.max(2.2, Math.min(4.2, width / em / 110)) * (points.train.y.length > 1500 ? 0.6 : 1);
  context.lineWidth = em;
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

export const MOST_DRAWN = 32; // units of a layer

// Where each unit is drawn: layers from left to right, {x, y, size} in CSS pixels.
export function layout(sizes, width, height, em = 1) {
  const shown = sizes.map((n) => Math.min(n, MOST_DRAWN)), deepest = Math.max(...shown);
  const size = Math.max(9, Math.min(38 * em, (height - 16) / deepest - 5, width / sizes.length / 1.9));
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
  const { context, width, height, em } = prepare(canvas), units = layout(sizes, width, height, em);
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
      context.lineWidth = em * (0.4 + 3.6 * t);
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
    context.lineWidth = em * (isChosen ? 3 : 1);
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
function drawGrid(context, ticks, y, left, right, theme, em) {
  context.font = font(em);
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
    context.fillText(short(tick), left - 6 * em, y(tick));
  }
  context.textBaseline = "alphabetic";
}

export function short(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size === Infinity) return "∞";
  if (size !== 0 && (size < 0.001 || size >= 1e5)) return value.toExponential(1);
  return String(+value.toPrecision(digits));
}

// Losses after each epoch: training a full line, held out a dashed one. At most two points a pixel.
// epochs: of the whole axis.
export function drawCurves(canvas, train, test, theme, epochs = train.length) {
  const { context, width, height, em } = prepare(canvas);
  const left = 44 * em, right = 8 * em, top = 8 * em, bottom = 22 * em, n = Math.max(epochs, 2);
  let high = 0, lowest = Infinity;
  for (const values of [train, test]) for (const v of values) {
    if (v !== null && v > high) high = v;
    if (v !== null && v < lowest) lowest = v;
  }
  const first = train.length ? train[0] : 1;
  high = Math.min(high || 1, 3 * (first || 1));
  // A loss that falls little would be a flat line on an axis from 0.
  const low = lowest > high / 2 && lowest < high ? Math.max(0, lowest - 0.1 * (high - lowest)) : 0;
  const x = (i) => left + ((width - left - right) * i) / (n - 1);
  const y = (v) => top + (height - top - bottom) * (1 - (Math.min(v, high) - low) / (high - low));
  drawGrid(context, niceTicks(low, high, 4), y, left, width - right, theme, em);
  for (const tick of niceTicks(1, n, 5)) {
    context.textAlign = x(tick - 1) > width - 30 * em ? "right" : "center";
    if (tick % 1 === 0) context.fillText(tick.toLocaleString("en"), x(tick - 1), height - 6 * em);
  }
  const step = Math.max(1, Math.floor(n / (2 * width)));
  for (const [values, color, dash] of [[train, theme.ink, []], [test, "#CC79A7", [5, 3]]]) {
    context.beginPath();
    context.setLineDash(dash);
    context.lineWidth = 1.8 * em;
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
// column: {axis, values, curve, mean, at}; range: lowest and highest prediction of the picture.
export function drawEffect(canvas, column, range, theme) {
  const { context, width, height, em } = prepare(canvas);
  const left = 42 * em, right = 8 * em, top = 6 * em, bottom = 20 * em, { axis, values, curve, mean, at } = column;
  const [low, high] = range[1] > range[0] ? range : [range[0] - 1, range[0] + 1];
  const numbers = axis === "number" ? values.map(Number)
    : axis === "date" ? values.map((text) => Date.parse(text)) : values.map((_, i) => i);
  const finite = numbers.filter(Number.isFinite), first = Math.min(...finite), last = Math.max(...finite);
  const isCategory = axis === "category", slot = (width - left - right) / values.length;
  const x = (v) => left + ((width - left - right) * (v - first)) / (last - first || 1);
  const y = (v) => top + (height - top - bottom) * (1 - (v - low) / (high - low));
  drawGrid(context, niceTicks(low, high, 5), y, left, width - right, theme, em);
  if (isCategory) {
    // Points, since the axis need not begin at 0. Many names do not fit: then that of the row alone is written.
    const room = Math.floor(slot / (6.5 * em)), fits = room > 3;
    values.forEach((value, i) => {
      const middle = left + slot * (i + 0.5), isRow = String(value) === String(at ?? "missing"), text = String(value);
      context.fillStyle = theme.faint;
      context.fillRect(middle - slot * 0.4, y(mean[i]) - 0.75, slot * 0.8, 1.5);
      context.beginPath();
      context.arc(middle, y(curve[i]), Math.min(slot * 0.4, (isRow ? 4.5 : 3.5) * em), 0, 7);
      context.fillStyle = isRow ? "#D55E00" : "#0072B2";
      context.fill();
      context.fillStyle = theme.faint;
      context.textAlign = "center";
      const half = context.measureText(text).width / 2;
      const place = fits ? middle : Math.max(left + half, Math.min(width - right - half, middle));
      if (fits || isRow) context.fillText(fits && text.length > room ? `${text.slice(0, room - 1)}…` : text, place, height - 6 * em);
    });
    return;
  }
  context.textAlign = "left";
  context.fillText(axis === "date" ? values[0] : short(first), left, height - 6 * em);
  context.textAlign = "right";
  context.fillText(axis === "date" ? values.at(-1) : short(last), width - right, height - 6 * em);
  for (const [line, color, dash] of [[mean, theme.faint, [4, 3]], [curve, "#0072B2", []]]) {
    context.beginPath();
    context.setLineDash(dash);
    context.strokeStyle = color;
    context.lineWidth = em * (dash.length ? 1.4 : 2.2);
    line.forEach((v, i) => { if (Number.isFinite(numbers[i])) context.lineTo(x(numbers[i]), y(v)); });
    context.stroke();
  }
  context.setLineDash([]);
  const place = axis === "date" ? Date.parse(at) : Number(at);
  if (at === null || !Number.isFinite(place)) return;
  const next = Math.max(1, numbers.findIndex((v) => v >= place)), a = numbers[next - 1], b = numbers[next];
  const t = b > a ? Math.min(1, Math.max(0, (place - a) / (b - a))) : 0;
  context.beginPath();
  context.arc(x(Math.min(Math.max(place, first), last)), y(curve[next - 1] + t * (curve[next] - curve[next - 1])), 4.5 * em, 0, 7);
  context.fillStyle = "#D55E00";
  context.fill();
}

// Small multiples of many networks: for "seeds" the surface of each, for "rates" a map of their losses.
// many: {variation, rates, widths, untrained}. Returns the place of each network, in CSS pixels.
export function drawMany(canvas, frame, many, theme) {
  const { context, width, height, em } = prepare(canvas), isMap = many.variation === "rates";
  const places = isMap ? mapPlaces(width, height, em) : gridPlaces(frame.surfaces.length, width, height, em);
  const alive = frame.losses_now.map((loss, i) => frame.diverged.includes(i) ? Infinity : loss ?? Infinity);
  const best = Math.min(...alive);
  places.forEach((place, i) => {
    const { x, y, width: w, height: h } = place, loss = alive[i];
    if (isMap) {
      context.fillStyle = lossColor(loss, best, many.untrained, theme);
      context.fillRect(x, y, w, h);
    } else {
      const { surface, certainty } = frame.surfaces[i];
      context.imageSmoothingEnabled = !certainty;
      context.drawImage(surfaceImage(bytes(surface), theme, certainty && bytes(certainty)), x, y, w, h);
    }
    context.strokeStyle = context.fillStyle = theme.ink;
    context.lineWidth = em;
    if (loss === Infinity) cross(context, place);
    else if (isMap && w > 44 * em) {
      context.font = font(em, 12);
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(short(loss, 2), x + w / 2, y + h / 2);
    }
  });
  const first = places[alive.indexOf(best)];
  if (best < Infinity) {
    context.lineWidth = 3 * em;
    context.strokeStyle = theme.ink;
    context.strokeRect(first.x, first.y, first.width, first.height);
  }
  if (isMap) drawMapAxes(context, places, many, width, height, theme, em);
  return places;
}

// As many columns as make the largest squares.
function gridPlaces(n, width, height, em) {
  const gap = Math.min(5 * em, width / 80), sizeOf = (columns) => Math.min(width / columns, height / Math.ceil(n / columns));
  let columns = 1;
  for (let more = 2; more <= n; more++) if (sizeOf(more) > sizeOf(columns)) columns = more;
  const size = sizeOf(columns), left = (width - columns * size) / 2;
  return Array.from({ length: n }, (_, i) => ({
    x: left + (i % columns) * size + gap / 2, y: Math.floor(i / columns) * size + gap / 2,
    width: size - gap, height: size - gap,
  }));
}

const MAP = { left: 44, bottom: 40, top: 4, n: 10, gap: 2 };

function mapPlaces(width, height, em) {
  const w = (width - MAP.left * em - 4) / MAP.n, h = (height - (MAP.bottom + MAP.top) * em) / MAP.n;
  return Array.from({ length: MAP.n ** 2 }, (_, i) => ({
    x: MAP.left * em + (i % MAP.n) * w + MAP.gap / 2, y: MAP.top * em + Math.floor(i / MAP.n) * h + MAP.gap / 2,
    width: w - MAP.gap, height: h - MAP.gap,
  }));
}

function drawMapAxes(context, places, { rates, widths }, width, height, theme, em) {
  const [{ width: w, height: h }] = places;
  context.font = font(em, 12);
  context.fillStyle = theme.faint;
  context.textBaseline = "middle";
  context.textAlign = "right";
  widths.forEach((units, i) => context.fillText(units, (MAP.left - 6) * em, places[i * MAP.n].y + h / 2));
  context.textAlign = "center";
  const every = w < 44 * em ? 2 : 1;
  rates.forEach((rate, i) => {
    if (i % every === 0) context.fillText(rate, places[i].x + w / 2, height - (MAP.bottom - 10) * em);
  });
  context.fillText("learning rate", (MAP.left * em + width) / 2, height - 9 * em);
  context.translate(8 * em, (height - MAP.bottom * em) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText("units of each layer", 0, 0);
}

// Blue for a loss below that of untrained networks, down to the best one; orange above it.
function lossColor(loss, best, untrained, theme) {
  if (loss === Infinity) return theme.grid;
  const log = (x) => Math.log(Math.max(x, 1e-12));
  const scale = loss < untrained ? log(untrained) - log(best) : Math.log(100);
  const t = Math.max(-1, Math.min(1, (log(untrained) - log(loss)) / (scale || 1)));
  const at = 4 * Math.round(127.5 * (1 + t));
  return `rgb(${ramp(theme).slice(at, at + 3).join(" ")})`;
}

function cross(context, { x, y, width, height }) {
  const size = Math.min(width, height) / 4, cx = x + width / 2, cy = y + height / 2;
  context.beginPath();
  for (const sign of [-1, 1]) {
    context.moveTo(cx - size, cy - sign * size);
    context.lineTo(cx + size, cy + sign * size);
  }
  context.stroke();
}
