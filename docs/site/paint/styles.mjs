// The choice of a style: thumbnails, of which one is chosen, or several with a share each.

export class Styles {
  #blend = false;
  #inputs;
  #shares = new Map(); // place -> 1 to 100

  /**
   * @param {{name: string, title: string, line: string, thumbnail: string}[]} styles in the painter's order
   * @param {{grid: Element, blend: HTMLInputElement, shares: Element, line: Element}} parts of the page
   * @param {() => void} changed
   */
  constructor(styles, parts, changed) {
    this.styles = styles;
    this.parts = parts;
    this.changed = changed;
    this.#inputs = styles.map((style, place) => this.#thumbnail(style, place));
    this.#inputs[0].checked = true;
    parts.blend.addEventListener("change", () => this.#switch());
    this.#show();
  }

  /** How much of each style, in their order; they need not add up to anything. */
  get weights() {
    const chosen = this.chosen;
    return this.styles.map((_, place) => (chosen.includes(place) ? (this.#blend ? this.#share(place) : 1) : 0));
  }

  get chosen() {
    return [...this.#inputs.keys()].filter((place) => this.#inputs[place].checked);
  }

  get names() {
    return this.chosen.map((place) => this.styles[place].name);
  }

  get titles() {
    return this.chosen.map((place) => this.styles[place].title).join(", ");
  }

  #share(place) {
    return this.#shares.get(place) ?? 50;
  }

  #thumbnail({ title, line, thumbnail }, place) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const image = document.createElement("img");
    const text = document.createElement("span");
    Object.assign(input, { type: "radio", name: "paint-style", value: String(place) });
    Object.assign(image, { src: thumbnail, alt: "" });
    text.textContent = title;
    label.title = line;
    label.append(input, image, text);
    input.addEventListener("change", () => this.#choose(input));
    this.parts.grid.append(label);
    return input;
  }

  #choose(input) {
    if (!this.chosen.length) input.checked = true; // the last one of a blend stays
    this.#show();
    this.changed();
  }

  #switch() {
    this.#blend = this.parts.blend.checked;
    const first = this.chosen[0];
    for (const [place, input] of this.#inputs.entries()) {
      input.type = this.#blend ? "checkbox" : "radio";
      input.checked = place === first;
    }
    this.#show();
    this.changed();
  }

  #show() {
    const chosen = this.chosen;
    this.parts.line.textContent = chosen.map((place) => `${this.styles[place].title}: ${this.styles[place].line}`).join("; ");
    this.parts.shares.replaceChildren(...(this.#blend ? chosen.map((place) => this.#slider(place)) : []));
  }

  #slider(place) {
    const row = document.createElement("label");
    const input = document.createElement("input");
    const text = document.createElement("span");
    row.className = "paint-slider";
    text.textContent = this.styles[place].title;
    Object.assign(input, { type: "range", min: "1", max: "100", value: String(this.#share(place)) });
    input.addEventListener("change", () => {
      this.#shares.set(place, Number(input.value));
      this.changed();
    });
    row.append(text, input);
    return row;
  }
}
