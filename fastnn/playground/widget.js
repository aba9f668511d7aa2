
// The notebook widget: drawing.js stands before this text, in one module.
function render({ model, el }) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  el.innerHTML = `
    <div style="display:flex;gap:8px;align-items:center;margin-bottom:8px">
      <button data-do="play">Train</button><button data-do="step">+1 step</button>
      <output></output>
    </div>
    <div style="display:flex;gap:16px;flex-wrap:wrap">
      <canvas role="img" aria-label="The network" style="width:420px;height:320px"></canvas>
      <canvas role="img" aria-label="Decision surface" style="width:320px;height:320px"></canvas>
    </div>`;
  const [network, surface] = el.querySelectorAll("canvas"), status = el.querySelector("output");
  const [play, step] = el.querySelectorAll("button");
  const draw = () => {
    const frame = model.get("frame"), theme = palette(dark.matches);
    if (!frame.weights) return;
    drawNetwork(network, model.get("sizes"), frame, theme, null);
    drawSurface(surface, frame, model.get("points"), theme);
    status.textContent = frame.diverged || `epoch ${frame.epoch}, loss ${short(frame.loss)}`;
    play.textContent = model.get("playing") ? "Pause" : "Train";
  };
  play.onclick = () => { model.set("playing", !model.get("playing")); model.save_changes(); };
  step.onclick = () => { model.set("command", { do: "step", at: Date.now() }); model.save_changes(); };
  model.on("change:frame", draw);
  model.on("change:playing", draw);
  dark.addEventListener("change", draw);
  requestAnimationFrame(draw);
}
export default { render };
