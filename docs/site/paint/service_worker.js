// Makes the page isolated, which threads need, forbids it to ask other servers, and keeps all that it loaded for when
// there is no network.
"use strict";

const KEPT = "keras_style_paint";
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  // The browser itself refuses whatever would send a photograph to another server.
  "Content-Security-Policy": "default-src 'self' data: blob: 'unsafe-inline' 'wasm-unsafe-eval'; form-action 'self'",
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const request = event.request;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(answer(event));
});

// The network comes first, so that a page never mixes two versions of the site; its files are small or not modified.
async function answer(event) {
  const request = event.request;
  const cache = await caches.open(KEPT);
  let response;
  try {
    response = await fetch(request, { cache: "no-cache" });
  } catch (error) {
    const kept = await cache.match(request, { ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
  if (response.status !== 200) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const isolated = new Response(response.body, { status: 200, statusText: response.statusText, headers });
  event.waitUntil(keep(cache, request, isolated.clone()));
  return isolated;
}

// One version of each file: addresses of style sheets end in a digest.
async function keep(cache, request, response) {
  try {
    await cache.delete(request, { ignoreSearch: true, ignoreVary: true });
    await cache.put(request, response);
  } catch {
    // The disk is full: the page works without.
  }
}
