// The view of a hundred networks: a grid of their surfaces, or a map of rates and widths.
import { drawMany, short } from "/drawing.js";
import { $, element, setTexts, theme } from "/page.js";

const N = 100, COLUMNS = 10;
let networks, shown; // how they differ, and the last frame

const nameOf = (i) => networks.variation === "seeds" ? `seed ${networks.seed + i}`
  : `rate ${networks.rates[i % COLUMNS]}, width ${networks.widths[Math.floor(i / COLUMNS)]}`;

function describe(i) {
  const score = networks.points.kind === "numbers" ? `R² ${short(shown.scores[i])}` : `${(100 * shown.scores[i]).toFixed(1)} % right`;
  const found = shown.diverged.includes(i) ? "diverged" : `loss ${short(shown.losses_now[i])}, ${score}`;
  return `${nameOf(i)}: ${found}. Open it.`;
}

// Makes a button for each network. One of them is in the tab order, and arrow keys go to the others.
export function showNetworks(description, open) {
  networks = description;
  shown = null;
  const cells = Array.from({ length: N }, (_, i) => {
    const cell = element("button", { onclick: () => open(i), tabIndex: i ? -1 : 0, title: nameOf(i) });
    cell.setAttribute("aria-label", nameOf(i));
    const update = () => {
      if (!shown) return;
      cell.title = describe(i);
      cell.setAttribute("aria-label", describe(i));
    };
    cell.onfocus = cell.onpointerenter = update;
    cell.onkeydown = (event) => go(event, i);
    return cell;
  });
  $("many-cells").replaceChildren(...cells);
  $("many-legend").textContent = networks.variation === "seeds"
    ? "Each square is what one network predicts. The best one has a frame."
    : `Blue is a lower loss, on a logarithmic scale. No colour is ${short(networks.untrained)}, that of untrained `
      + "networks, and orange is worse. A network with a × has diverged.";
}

let columns = COLUMNS; // of the last picture

function go(event, i) {
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  const next = i + steps[event.key];
  if (!(next >= 0 && next < N)) return;
  event.preventDefault();
  event.stopPropagation();
  const cells = $("many-cells").children;
  cells[i].tabIndex = -1;
  cells[next].tabIndex = 0;
  cells[next].focus();
}

export function drawNetworks(frame) {
  shown = frame;
  const places = drawMany($("many-canvas"), frame, networks, theme());
  columns = places.filter(({ y }) => y === places[0].y).length;
  places.forEach(({ x, y, width, height }, i) => {
    const style = { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` };
    Object.assign($("many-cells").children[i].style, style);
  });
  const going = frame.losses_now.map((loss, i) => [loss ?? Infinity, i]).filter(([, i]) => !frame.diverged.includes(i));
  going.sort((a, b) => a[0] - b[0]);
  const rows = networks.points.test.y.length ? "held-out" : "training";
  const summary = going.length
    ? `Epoch ${frame.epoch.toLocaleString("en")}. The ${rows} loss is ${short(going[0][0])} at best (${nameOf(going[0][1])}), `
      + `${short(going[going.length >> 1][0])} in the middle, and ${short(going.at(-1)[0])} at worst.`
    : "All networks have diverged.";
  const lost = frame.diverged.length, diverged = going.length && lost ? ` ${lost} diverged.` : "";
  setTexts({ "many-summary": summary + diverged });
}
