// The resize of the package (keras_style.images.resize): Lanczos with three lobes, across and then down.

const GRID = 2 ** 16; // results are multiples of 1 / GRID, as in Python
const LOBES = 3;

function lanczos(x) {
  if (x === 0) return 1;
  if (Math.abs(x) >= LOBES) return 0;
  const angle = Math.PI * x;
  return (LOBES * Math.sin(angle) * Math.sin(angle / LOBES)) / (angle * angle);
}

/** For each new position: the first old one that it sees, and the weights from there on. */
function windows(from, to) {
  const scale = from / to;
  const wide = Math.max(scale, 1);
  return Array.from({ length: to }, (_, place) => {
    const center = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - LOBES * wide + 0.5));
    const end = Math.min(from, Math.trunc(center + LOBES * wide + 0.5));
    const weights = Float64Array.from({ length: end - start }, (_, each) => lanczos((start + each - center + 0.5) / wide));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { start, weights: weights.map((weight) => weight / sum) };
  });
}

/**
 * @param picture {data, width, height, channels, unit}: by rows, of which the first three channels count; values from 0
 *   to `unit`. Without these two numbers it is RGB in [0, 1].
 * @param {number} width
 * @param {number} height
 * @returns RGB in [0, 1]; the picture itself where it has the size already
 */
export function resize(picture, width, height) {
  const across = picture.width === width ? picture : pass(picture, width, picture.height, true);
  const result = across.height === height ? across : pass(across, width, height, false);
  if (result !== picture) result.data.forEach((value, at) => (result.data[at] = Math.min(1, Math.max(0, value))));
  return result;
}

function pass(picture, width, height, across) {
  const { data: from, channels = 3, unit = 1 } = picture;
  const data = new Float32Array(width * height * 3);
  const step = across ? channels : picture.width * channels; // from one pixel of a window to the next
  const found = across ? windows(picture.width, width) : windows(picture.height, height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const { start, weights } = found[across ? x : y];
      let place = across ? (y * picture.width + start) * channels : (start * picture.width + x) * channels;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let each = 0; each < weights.length; each++, place += step) {
        const weight = weights[each];
        red += weight * from[place];
        green += weight * from[place + 1];
        blue += weight * from[place + 2];
      }
      data[at++] = Math.round(Math.fround(red / unit) * GRID) / GRID;
      data[at++] = Math.round(Math.fround(green / unit) * GRID) / GRID;
      data[at++] = Math.round(Math.fround(blue / unit) * GRID) / GRID;
    }
  }
  return { data, width, height };
}

/** [width, height], so that the longer side has as many pixels; a picture that is smaller stays as it is. */
export function fitted(width, height, longSide) {
  const longest = Math.max(width, height);
  if (longest <= longSide) return [width, height];
  return [width, height].map((side) => Math.max(1, Math.floor((2 * side * longSide + longest) / (2 * longest))));
}

/** To the nearest whole number, halves to the even one, as in Python. */
export function rounded(value) {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest === 0.5) return low % 2 ? low + 1 : low;
  return rest < 0.5 ? low : low + 1;
}
