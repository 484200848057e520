// Paints in a thread of its own, so that the page never waits: reads photographs, runs the network, writes PNG files.
import { fitted, resize, rounded } from "./lanczos.mjs";

const MAX_BYTES = 60e6; // of a file
const MAX_PIXELS = 60e6; // of a photograph as it is decoded: four bytes each
const MIN_SIDE = 16;
const AT_ONCE = 4_300_000; // pixels that the network paints, at some 400 bytes each: WebAssembly has 4 GB
const MAX_THREADS = 8;

class Refusal extends Error {} // what the reader of the page can do something about

let runtime; // onnxruntime-web
let session; // the painter in it
let photograph; // {data, width, height, channels, unit} at full size
let picture; // {data, width, height} at the size to be painted, RGB in [0, 1]
let answer = { key: null }; // the last painting, before it is mixed with the photograph
let shown; // RGBA, 8 bits

const jobs = { load, read, paint, save };

self.onmessage = async ({ data: { id, job, arguments: given } }) => {
  try {
    const { result, moved = [] } = await jobs[job](given, (value) => self.postMessage({ id, progress: value }));
    self.postMessage({ id, result }, moved);
  } catch (error) {
    self.postMessage({ id, refusal: error instanceof Refusal, error: String(error?.message ?? error) });
  }
};

async function load({ sizes, model, useGpu }, progress) {
  const gpu = useGpu && (await hasGpu());
  const engine = gpu ? "webgpu" : "wasm";
  const received = {};
  const files = [model, `${engine}/engine.wasm`];
  const total = files.reduce((sum, file) => sum + sizes[file], 0);
  const note = (file) => (count) => {
    received[file] = count;
    progress(Math.min(1, Object.values(received).reduce((sum, each) => sum + each, 0) / total));
  };
  const [imported, graph, binary] = await Promise.all([
    import(`./${engine}/engine.mjs`),
    ...files.map((file) => fetched(file, note(file))),
  ]);
  runtime = imported;
  runtime.env.logLevel = "error";
  runtime.env.wasm.wasmBinary = binary;
  runtime.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MAX_THREADS, navigator.hardwareConcurrency || 1) : 1;
  const options = { executionProviders: [engine], logSeverityLevel: 3 }; // errors: it warns of what it does on purpose
  session = await runtime.InferenceSession.create(graph, options);
  return { result: { engine, threads: runtime.env.wasm.numThreads } };
}

/** Whether there is a graphics card; one that the processor plays is slower than the processor itself. */
async function hasGpu() {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    return Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
  } catch {
    return false;
  }
}

async function fetched(file, progress) {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file}: the server answers ${response.status}`);
  const parts = [];
  let count = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    progress((count += value.length));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Read a file, or the last photograph again, at the size to be painted. */
async function read({ file, name, longSide }) {
  const read = file ? await decoded(file, name) : photograph;
  const [width, height] = fitted(read.width, read.height, longSide);
  if (Math.min(width, height) < MIN_SIDE) {
    throw new Refusal(`The picture would be ${width} × ${height} pixels; expected at least ${MIN_SIDE} on each side.`);
  }
  picture = width === read.width && height === read.height ? colors(read) : resize(read, width, height);
  photograph = read;
  answer = { key: null };
  const pixels = levels(picture.data);
  return { result: { pixels, width, height }, moved: [pixels.buffer] };
}

/** A file as RGBA, turned upright and in sRGB, by the browser; transparent parts become white. */
async function decoded(file, name) {
  if (file.size > MAX_BYTES) {
    throw new Refusal(`${name} has ${megabytes(file.size)}; expected a file of at most ${megabytes(MAX_BYTES)}.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Refusal(`${name} is no picture that this browser can read; expected a JPEG, PNG, WebP or AVIF file.`);
  }
  try {
    const { width, height } = bitmap;
    const came = `${name} is ${width} × ${height} pixels`;
    if (width * height > MAX_PIXELS) throw new Refusal(`${came}; expected at most ${MAX_PIXELS / 1e6} million in all.`);
    if (Math.min(width, height) < MIN_SIDE) throw new Refusal(`${came}; expected at least ${MIN_SIDE} on each side.`);
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    return { data: context.getImageData(0, 0, width, height).data, width, height, channels: 4, unit: 255 };
  } finally {
    bitmap.close();
  }
}

/** Paint the picture, unless only the strength is another than the last time. */
async function paint({ weights, strength, stroke }) {
  const { width, height } = picture;
  const key = JSON.stringify([weights, stroke]);
  const isNew = answer.key !== key;
  if (isNew) {
    answer = { key, ...(await withStroke(Float32Array.from(weights), stroke)) };
  }
  const mixed = picture.data.map((value, at) => value + Math.fround(strength) * (answer.data[at] - value));
  shown = { pixels: levels(mixed), width, height };
  const pixels = shown.pixels.slice();
  return { result: { pixels, width, height, isNew }, moved: [pixels.buffer] };
}

/** Strokes that are twice as large are those of a copy of half the size, enlarged. */
async function withStroke(weights, stroke) {
  const { width, height } = picture;
  const sides = [width, height].map((side) => Math.max(MIN_SIDE, rounded(side / stroke)));
  if (sides[0] * sides[1] > AT_ONCE) {
    throw new Refusal(
      `Strokes this fine take a copy of ${sides[0]} × ${sides[1]} pixels, and a browser has memory for ` +
        `${(AT_ONCE / 1e6).toFixed(1)} million; expected broader strokes or a smaller size.`,
    );
  }
  const copy = resize(picture, ...sides);
  const inputs = {
    image: new runtime.Tensor("float32", copy.data, [1, copy.height, copy.width, 3]),
    style_weights: new runtime.Tensor("float32", weights, [weights.length]),
  };
  const outputs = await session.run(inputs);
  const data = await outputs.translated.getData(true);
  return resize({ data, width: copy.width, height: copy.height }, width, height);
}

async function save() {
  const canvas = new OffscreenCanvas(shown.width, shown.height);
  canvas.getContext("2d", { alpha: false }).putImageData(new ImageData(shown.pixels, shown.width, shown.height), 0, 0);
  return { result: await canvas.convertToBlob({ type: "image/png" }) };
}

function colors({ data, width, height, channels, unit }) {
  const result = new Float32Array(width * height * 3);
  for (let from = 0, to = 0; to < result.length; from += channels) {
    result[to++] = data[from] / unit;
    result[to++] = data[from + 1] / unit;
    result[to++] = data[from + 2] / unit;
  }
  return { data: result, width, height };
}

function levels(data) {
  const result = new Uint8ClampedArray((data.length / 3) * 4);
  for (let from = 0, to = 0; from < data.length; ) {
    result[to++] = Math.floor(data[from++] * 255 + 0.5);
    result[to++] = Math.floor(data[from++] * 255 + 0.5);
    result[to++] = Math.floor(data[from++] * 255 + 0.5);
    result[to++] = 255;
  }
  return result;
}

function megabytes(count) {
  return `${Math.round(count / 1e6)} MB`;
}
