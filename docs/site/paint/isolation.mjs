// Threads need a page that is isolated from others, by headers that a plain server does not send: a service worker adds
// them, and the page is loaded once more through it. It also keeps the files for when there is no network.

const TRIED = "keras_style_isolation";
const PATIENCE = 5000; // milliseconds

/** Ends when the page may begin; never where it is about to be loaded again. */
export async function isolate() {
  if (!("serviceWorker" in navigator)) return; // one thread, and not without a network
  try {
    await navigator.serviceWorker.register("service_worker.js");
    const ready = await Promise.race([navigator.serviceWorker.ready, pause(PATIENCE)]);
    if (crossOriginIsolated || !ready || sessionStorage.getItem(TRIED)) {
      sessionStorage.removeItem(TRIED);
      return;
    }
    sessionStorage.setItem(TRIED, "1");
  } catch {
    return; // storage and workers may be forbidden
  }
  location.reload();
  await new Promise(() => {});
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
