// Parts of the page of one network: the buttons of its units, one unit in numbers, the confusion matrix.
import { short } from "/drawing.js";
import { $, element } from "/page.js";

const nameOf = (layer, unit, sizes) => layer === sizes.length - 2 ? `Output ${unit + 1}` : `Layer ${layer + 1}, unit ${unit + 1}`;
const row = (tag, values) => element("tr", {}, ...values.map((value) => element(tag, {}, value)));

// Puts a button on each unit that drawNetwork has drawn.
export function placeUnits(units, sizes, selected, select) {
  const box = $("units"), flat = units.flatMap((layer, l) => l ? layer.map((unit, i) => [l - 1, i, unit]) : []);
  if (box.childElementCount !== flat.length) {
    box.replaceChildren(...flat.map(([l, i]) => {
      const button = element("button", { onclick: () => select([l, i]) });
      button.setAttribute("aria-label", nameOf(l, i, sizes));
      return button;
    }));
  }
  flat.forEach(([l, i, unit], k) => {
    const { style } = box.children[k], size = `${Math.max(unit.size, 12)}px`;
    box.children[k].setAttribute("aria-pressed", String(selected?.[0] === l && selected?.[1] === i));
    Object.assign(style, { left: `${unit.x}px`, top: `${unit.y}px`, width: size, height: size });
  });
}

// The four lines of math, with the numbers of one unit and of the first training point.
export function showUnit(frame, sizes, settings) {
  const unit = frame?.unit;
  $("unit-card").hidden = !unit;
  if (!unit) return;
  $("unit-name").textContent = `${nameOf(unit.layer, unit.unit, sizes)}, for the first training point:`;
  const terms = unit.inputs.slice(0, 3).map((x, i) => `${short(x)}·${short(unit.weights[i])}`).join(" + ")
    + (unit.inputs.length + unit.more > 3 ? " + …" : "");
  $("formulas").textContent = [
    `z = x w + b          = ${terms} + ${short(unit.bias)} = ${short(unit.z)}`,
    `a = ${unit.activation}(z)`.padEnd(20) + ` = ${short(unit.a)}`,
    `L = ${settings.loss}(a, y)`.padEnd(20) + ` = ${short(frame.loss)} over all training points`,
    `w ← w − rate · dL/dw   (${settings.optimizer}, rate ${short(frame.lr)})`,
  ].join("\n");
  const rows = unit.names.map((name, i) => row("td", [name, short(unit.inputs[i]), short(unit.weights[i]), short(unit.dW[i])]));
  if (unit.more) rows.push(row("td", [`and ${unit.more} more`, "", "", ""]));
  $("unit-table").replaceChildren(row("th", ["input", "x", "w", "dL/dw"]), ...rows, row("td", ["b", "1", short(unit.bias), short(unit.db)]));
}

let shown = "";

export function showConfusion(confusion, { classes, test }) {
  const now = JSON.stringify([confusion, classes]);
  if (!confusion || now === shown) return;
  shown = now;
  const rows = confusion.map((counts, i) => {
    const made = row("td", counts);
    made.children[i].className = "right";
    made.prepend(element("th", { scope: "row" }, classes[i]));
    return made;
  });
  $("confusion").replaceChildren(row("th", ["is \\ predicted", ...classes]), ...rows);
  $("confusion-rows").textContent = test.y.length ? "(held-out points)" : "(training points)";
}
