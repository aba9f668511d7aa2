// Points drawn by hand on the decision surface.
import { $ } from "/page.js";

const PAUSE = 40; // milliseconds between two points of a stroke

// pen.points: what has been drawn, rows of x1, x2 and class, or null. place(event) makes a point.
export function wirePen(pen, place, finish) {
  const value = () => document.querySelector("[name=pen]:checked").value;
  for (const radio of document.querySelectorAll("[name=pen]")) {
    radio.onchange = () => $("surface").classList.toggle("pen", value() !== "");
  }
  let isDown = false, last = -PAUSE;
  const add = (event) => {
    if (value() === "" || event.timeStamp - last < PAUSE) return;
    last = event.timeStamp;
    const box = $("surface").getBoundingClientRect();
    const u = 2 * (event.clientX - box.left) / box.width - 1, v = 1 - 2 * (event.clientY - box.top) / box.height;
    pen.points ??= [];
    place(u, v, Number(value()));
  };
  $("surface").onpointerdown = (event) => { isDown = true; add(event); };
  $("surface").onpointermove = (event) => { if (isDown) add(event); };
  addEventListener("pointerup", () => {
    if (!isDown) return;
    isDown = false;
    const classes = new Set(pen.points?.map((point) => point[2]));
    if (classes.size === 2) finish();
    else if (classes.size === 1) $("help").textContent = "Now draw points of the other colour.";
  });
}
