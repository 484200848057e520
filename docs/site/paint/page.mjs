// The page: a photograph comes in, is painted as the controls say, and goes out as a PNG file.
import { isolate } from "./isolation.mjs";
import { Painter, Refused, Stopped } from "./painter.mjs";
import { Styles } from "./styles.mjs";

const HERE = new URL("./", import.meta.url);
const PAUSE = 120; // milliseconds that a slider rests before a picture is painted

const part = (name) => document.getElementById(`paint-${name}`);

let painter;
let styles;
let name; // of the photograph, without its ending
let timer;
let wanted = 0; // counts wishes: an answer to an earlier one is not shown
let painting = false;
let rate; // seconds for a pixel, of the last picture

function say(text) {
  part("status").textContent = text;
}

function complain(text) {
  part("error").textContent = text;
  part("error").hidden = !text;
}

/** A share from 0 to 1, or undefined where nobody knows; null: nothing is going on. */
function progress(share) {
  const bar = part("progress");
  bar.hidden = share === null;
  if (share === undefined) bar.removeAttribute("value");
  else if (share !== null) bar.value = share;
}

function lacking() {
  const needed = {
    WebAssembly: "WebAssembly" in globalThis,
    "workers with a canvas": "Worker" in globalThis && "OffscreenCanvas" in globalThis,
    "reading pictures": "createImageBitmap" in globalThis,
  };
  return Object.keys(needed).filter((each) => !needed[each]);
}

async function begin() {
  const missing = lacking();
  if (missing.length) {
    part("controls").disabled = true;
    complain(`This browser cannot paint: it has no ${missing.join(", no ")}. A current Firefox, Chrome, Edge or Safari can.`);
    return;
  }
  await isolate();
  const response = await fetch(new URL("styles.json", HERE));
  if (!response.ok) throw new Error(`styles.json: the server answers ${response.status}`);
  const described = await response.json();
  const parts = { grid: part("styles"), blend: part("blend"), shares: part("shares"), line: part("line") };
  styles = new Styles(described.styles, parts, () => soon());
  painter = new Painter({ model: "painter.onnx", sizes: described.bytes });
  listen(described.example);
  part("controls").disabled = false;
  say("Loading the painter …");
  await loaded();
}

async function loaded() {
  progress(0);
  try {
    const { engine, threads } = await painter.load(progress);
    const how = engine === "webgpu" ? "on the graphics card" : threads > 1 ? `in ${threads} threads` : "in one thread";
    part("engine").textContent = `It paints ${how} of this device.`;
    if (!name) say("Ready. Choose a photograph.");
  } finally {
    if (!painting) progress(null);
  }
}

function listen(example) {
  for (const each of ["file", "camera"]) {
    part(each).addEventListener("change", (event) => {
      const [file] = event.target.files;
      event.target.value = ""; // or the same file again would be no change
      if (file) attempt(() => open(file, file.name));
    });
  }
  part("example").addEventListener("click", () =>
    attempt(async () => {
      const response = await fetch(new URL(example, HERE));
      if (!response.ok) throw new Error(`${example}: the server answers ${response.status}`);
      await open(await response.blob(), example);
    }),
  );
  const drop = part("drop");
  const over = (is) => (event) => {
    event.preventDefault();
    drop.classList.toggle("paint-over", is);
  };
  // The whole page takes the file: one that misses the box would replace the page.
  document.addEventListener("dragover", over(true));
  document.addEventListener("dragleave", over(false));
  document.addEventListener("drop", (event) => {
    over(false)(event);
    take(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => take(event.clipboardData));

  part("strength").addEventListener("input", () => soon());
  part("stroke").addEventListener("input", () => soon());
  part("size").addEventListener("change", () => attempt(resized));
  part("split").addEventListener("input", split);
  part("save").addEventListener("click", () => attempt(save));
  part("stop").addEventListener("click", () => attempt(stop));
  labels();
  split();
}

function take(transfer) {
  const [file] = transfer?.files ?? [];
  if (file) attempt(() => open(file, file.name || "The pasted picture"));
}

/** Do something, and say what went wrong. */
async function attempt(action) {
  complain("");
  try {
    await action();
  } catch (error) {
    if (error instanceof Stopped) return;
    const memory = /memory|alloc|out of bounds|Aborted/i.test(error.message);
    if (error instanceof Refused) complain(error.message);
    else if (memory) complain("This device has no memory for a picture of this size. Choose a smaller one.");
    else complain(`It did not work: ${error.message}. Load the page again.`);
    say("");
  } finally {
    if (!painting) progress(null);
  }
}

async function open(file, called) {
  wanted++;
  say(`Reading ${called} …`);
  progress(undefined);
  await shownBefore({ file, name: called });
  name = called.replace(/\.[^.]*$/, "") || "picture";
  await paint();
}

async function resized() {
  if (!name) return;
  wanted++;
  await shownBefore({});
  await paint();
}

async function shownBefore(photograph) {
  const read = await painter.read({ ...photograph, longSide: Number(part("size").value) });
  draw(part("before"), read);
  draw(part("after"), read); // until it is painted
  part("picture").style.setProperty("--ratio", `${read.width} / ${read.height}`);
  part("picture").hidden = false;
  part("save").disabled = true;
}

function draw(canvas, { pixels, width, height }) {
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
}

/** Paint when the controls have come to rest. */
function soon() {
  labels();
  clearTimeout(timer);
  timer = setTimeout(() => name && attempt(paint), PAUSE);
}

function how() {
  return {
    weights: styles.weights,
    strength: Number(part("strength").value) / 100,
    stroke: 2 ** Number(part("stroke").value),
  };
}

/** Paint what is wanted now. While a picture is painted, wishes come and go: the last one is painted next. */
async function paint() {
  const wish = ++wanted;
  if (painting) return;
  painting = true;
  part("stop").hidden = false;
  part("picture").setAttribute("aria-busy", "true");
  try {
    for (let done = wish - 1; done !== wanted; ) {
      done = wanted;
      await paintOnce(done);
    }
  } finally {
    painting = false;
    part("stop").hidden = true;
    part("picture").removeAttribute("aria-busy");
  }
}

async function paintOnce(wish) {
  const asked = how();
  const { width, height } = part("before");
  const pixels = (width * height) / asked.stroke ** 2;
  const seconds = rate && rate * pixels;
  const ticking = animate(seconds);
  const titles = styles.titles;
  say(`Painting ${width} × ${height} pixels, ${titles}${seconds > 2 ? `, about ${Math.round(seconds)} seconds` : ""} …`);
  const began = performance.now();
  try {
    const painted = await painter.paint(asked);
    const took = (performance.now() - began) / 1000;
    if (painted.isNew) rate = took / pixels;
    if (wish !== wanted && (painted.width !== width || painted.height !== height)) return;
    draw(part("after"), painted);
    part("after").setAttribute("aria-label", `The photograph painted: ${titles}`);
    part("save").disabled = false;
    say(`Painted: ${titles}, ${width} × ${height} pixels${painted.isNew ? `, in ${took.toFixed(1)} seconds` : ""}.`);
  } finally {
    clearInterval(ticking);
  }
}

/** The network tells nothing while it paints: the bar follows what the last picture took, and waits short of the end. */
function animate(seconds) {
  if (!seconds) {
    progress(undefined);
    return undefined;
  }
  const began = performance.now();
  progress(0);
  return setInterval(() => progress(Math.min(0.95, (performance.now() - began) / 1000 / seconds)), 100);
}

async function stop() {
  say("Stopping …");
  await painter.stop();
  say("Stopped.");
}

async function save() {
  const file = await painter.save();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = [name, ...styles.names].join("_") + ".png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  say(`Saved as ${link.download}.`);
}

function split() {
  const input = part("split");
  part("picture").style.setProperty("--split", `${input.value}%`);
  input.setAttribute("aria-valuetext", `the photograph on the left ${input.value} %`);
}

function labels() {
  const { strength, stroke } = how();
  const texts = { strength: `${Math.round(strength * 100)} %`, stroke: `${Number(stroke.toPrecision(2))} ×` };
  for (const [each, text] of Object.entries(texts)) {
    part(`${each}-value`).textContent = text;
    part(each).setAttribute("aria-valuetext", each === "stroke" ? `${text} as broad` : text);
  }
}

begin().catch((error) => {
  progress(null);
  say("");
  complain(`The painter could not be loaded: ${error.message}. Load the page again.`);
});
