// Keeps the page's own files, which never change under their names. Never mail, never anything of the server's
// answers: what is not in the list of this version goes to the network as if this were not here.
declare const __VERSION__: string;
declare const __FILES__: string[];
interface Waiting extends Event { waitUntil(p: Promise<unknown>): void }
interface Fetching extends Event { request: Request; respondWith(p: Promise<Response>): void }
interface Worker { addEventListener(kind: string, f: (e: never) => void): void; skipWaiting(): Promise<void>;
	clients: { claim(): Promise<void> } }

const worker = self as unknown as Worker;
const cacheName = "static-" + __VERSION__;

worker.addEventListener("install", (e: Waiting) => {
	e.waitUntil(caches.open(cacheName).then((c) => c.addAll(__FILES__)).then(() => worker.skipWaiting()));
});
worker.addEventListener("activate", (e: Waiting) => {
	// an old tab may still ask for its chunks: the version before stays too
	e.waitUntil(caches.keys().then((names) => Promise.all(names.filter((n) => n.startsWith("static-")).slice(0, -2)
		.filter((n) => n !== cacheName).map((n) => caches.delete(n)))).then(() => worker.clients.claim()));
});
worker.addEventListener("fetch", (e: Fetching) => {
	const url = new URL(e.request.url);
	if (e.request.method !== "GET" || url.origin !== location.origin || !url.pathname.startsWith("/assets/"))
		return;
	e.respondWith(caches.match(e.request).then(async (kept) => {
		if (kept)
			return kept;
		const answer = await fetch(e.request);
		if (answer.ok && answer.type === "basic")
			await caches.open(cacheName).then((c) => c.put(e.request, answer.clone()));
		return answer;
	}));
});
