// The painter as the page sees it: one job after the other in a worker, which can be stopped and begins anew.

export class Refused extends Error {} // the reader of the page can do something about it
export class Stopped extends Error {}

export class Painter {
  #worker;
  #waiting = new Map(); // id -> {resolve, reject, progress}
  #count = 0;
  #last = Promise.resolve();
  #useGpu = true;
  #loading;
  #photograph; // what a new worker must read again

  /** @param {{model: string, sizes: object}} files what to load, with the bytes of each file */
  constructor(files) {
    this.files = files;
  }

  /** Load the network; again only where that failed. */
  load(progress) {
    this.#loading ??= this.#begin(progress).catch((error) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #begin(progress) {
    this.#start();
    try {
      return await this.#call("load", { ...this.files, useGpu: this.#useGpu }, progress);
    } catch (error) {
      if (!this.#useGpu || error instanceof Stopped) throw error;
      return this.#withoutGpu(progress);
    }
  }

  /** A driver may promise more than it keeps. */
  async #withoutGpu(progress) {
    this.#useGpu = false;
    this.#start();
    return this.#call("load", { ...this.files, useGpu: false }, progress);
  }

  /** Read a photograph: a file, or the last one in another size. */
  async read(photograph) {
    await this.load();
    const result = await this.#call("read", photograph);
    this.#photograph = { ...this.#photograph, ...photograph };
    return result;
  }

  async paint(how) {
    const { engine } = await this.load();
    try {
      return await this.#call("paint", how);
    } catch (error) {
      if (error instanceof Refused || error instanceof Stopped) throw error;
      this.#loading = engine === "webgpu" ? this.#withoutGpu() : undefined; // memory that ran out does not come back
      if (engine !== "webgpu") throw error;
      await this.load();
      await this.#call("read", this.#photograph);
      return this.#call("paint", how);
    }
  }

  save() {
    return this.#call("save", {});
  }

  /** End whatever is being done; the next job finds a new worker, which has read the photograph. */
  async stop() {
    this.#loading = undefined;
    this.#start();
    await this.load();
    if (this.#photograph) await this.#call("read", this.#photograph);
  }

  #start() {
    this.#worker?.terminate();
    for (const { reject } of this.#waiting.values()) reject(new Stopped("stopped"));
    this.#waiting.clear();
    this.#last = Promise.resolve();
    this.#worker = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#answered(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#loading = undefined;
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message || "the painter did not start"));
      this.#waiting.clear();
    };
  }

  /** One job after the other, since a later one needs what an earlier one leaves. */
  #call(job, given, progress) {
    const worker = this.#worker;
    const post = (resolve, reject) => {
      if (worker !== this.#worker) {
        reject(new Stopped("stopped"));
        return;
      }
      const id = ++this.#count;
      this.#waiting.set(id, { resolve, reject, progress });
      worker.postMessage({ id, job, arguments: given });
    };
    const call = this.#last.then(() => new Promise(post));
    this.#last = call.catch(() => {});
    return call;
  }

  #answered({ id, result, progress, refusal, error }) {
    const call = this.#waiting.get(id);
    if (!call) return;
    if (progress !== undefined) {
      call.progress?.(progress);
      return;
    }
    this.#waiting.delete(id);
    if (error === undefined) call.resolve(result);
    else call.reject(refusal ? new Refused(error) : new Error(error));
  }
}
