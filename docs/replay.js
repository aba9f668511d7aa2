
// Plays a recorded training on a page of the documentation: drawing.js stands before this text, in one
// module. The picture that follows the replay shows where this does not run.
for (const box of document.querySelectorAll(".replay")) replay(box);

function replay(box) {
  const { points, sizes, frames, train, test } = JSON.parse(box.querySelector("[type='application/json']").textContent);
  const [network, surface, curves] = box.querySelectorAll("canvas");
  const [play, position, status] = ["button", "input", "output"].map((name) => box.querySelector(name));
  const isDark = () => document.documentElement.dataset.theme === "dark"
    || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const SECONDS = 12;
  let playing = false, at = 0, before = 0;

  function draw() {
    const frame = frames[Math.floor(at)], theme = palette(isDark());
    drawNetwork(network, sizes, frame, theme, null);
    drawSurface(surface, frame, points, theme);
    drawCurves(curves, train.slice(0, frame.epoch), test.slice(0, frame.epoch), theme, train.length);
    position.value = Math.floor(at);
    position.setAttribute("aria-valuetext", `epoch ${frame.epoch}`);
    status.textContent = `epoch ${frame.epoch}, loss ${short(frame.loss)}, `
      + `${(100 * frame.test_score).toFixed(0)} % of the held-out points right`;
    play.textContent = playing ? "Pause" : at >= frames.length - 1 ? "Play again" : "Play";
  }

  function advance(now) {
    if (!playing) return;
    at = Math.min(frames.length - 1, at + ((now - before) * frames.length) / (1000 * SECONDS));
    before = now;
    if (at >= frames.length - 1) playing = false;
    draw();
    requestAnimationFrame(advance);
  }

  function start() {
    playing = true;
    if (at >= frames.length - 1) at = 0;
    requestAnimationFrame((now) => {
      before = now;
      advance(now);
    });
  }

  play.onclick = () => {
    if (!playing) start();
    else playing = false;
    draw();
  };
  position.max = frames.length - 1;
  position.oninput = () => {
    playing = false;
    at = Number(position.value);
    draw();
  };
  box.hidden = false;
  const picture = box.nextElementSibling;
  if (picture?.querySelector("img")) picture.hidden = true;
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(draw).observe(box);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) at = frames.length - 1;
  else new IntersectionObserver(([entry], observer) => { // begins when it is seen
    if (!entry.isIntersecting) return;
    observer.disconnect();
    start();
  }, { threshold: 0.5 }).observe(box);
  draw();
}
