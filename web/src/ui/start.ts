// In which order things come to life.

import { effect, signal } from "@preact/signals";
import { NetworkError, SessionEnded } from "../core/jmap";
import { takeOrphans } from "../core/offline";
import { route, startRouter } from "../core/router";
import { forgetAll, loadSettings, saveSettings, settings, startSettings } from "../core/settings";
import { startNotices } from "./notices";
import { isLoginLost, isNewVersion, jmap, keys, push, store } from "./app";
import { startCompose } from "./compose/compose";
import { sourceOf } from "./list/list_source";
import { restorePending, startSpaces } from "./spaces";

export const startFailure = signal<"network" | "refused" | null>(null);
const CHECK_VERSION_MS = 30 * 60 * 1000;
const RETRY_MS = 3000;

export async function startApp(): Promise<void> {
	const words = startSettings();
	startRouter();
	keys.isOn = () => settings.value.keys && !isLoginLost.value;
	keys.listen(document);
	jmap.onEnd = () => { isLoginLost.value = true; };
	jmap.onSessionChange = () => void jmap.start().catch(() => {});
	startSpaces();
	push.listeners.add((changed) => {
		if ("WebSettings" in changed)
			void loadSettings(jmap).catch(() => {});
	});
	void connect();
	await words;
}

async function connect(): Promise<void> {
	for (;;) {
		try {
			await jmap.start();
			startFailure.value = null;
			break;
		} catch (e) {
			if (e instanceof SessionEnded) {
				location.replace("/login?to=" + encodeURIComponent(location.pathname + location.search));
				return;
			}
			startFailure.value = e instanceof NetworkError ? "network" : "refused";
			await new Promise((done) => setTimeout(done, RETRY_MS));
		}
	}
	const r = route.peek();
	if (r.page === "mail" && !r.account)
		sourceOf(r)?.window.ensure(0, 0); // in one request with what follows
	void store.mailbox.loadAll().catch(() => {});
	void loadSettings(jmap).catch(() => {});
	push.start();
	startCompose();
	restorePending(await takeOrphans());
	addEventListener("pagehide", () => void saveSettings());
	watchVersion();
	startNotices();
	registerWorker();
}

/** Static files only; what it keeps never changes under its name. */
function registerWorker() {
	if (!("serviceWorker" in navigator) || !isSecureContext)
		return;
	const url = "/sw.js";
	const types = (globalThis as { trustedTypes?: { createPolicy(n: string, r: object): { createScriptURL(s: string): string } } }).trustedTypes;
	const policy = types?.createPolicy("app", { createScriptURL: (s: string) => {
		if (s !== url)
			throw new TypeError("no script of ours");
		return s;
	} });
	navigator.serviceWorker.register(policy ? policy.createScriptURL(url) : url).catch(() => { /* works without */ });
}

/** Has the server another version than this tab? Asked when the tab is looked at again. */
function watchVersion() {
	let at = Date.now();
	const look = async () => {
		if (document.visibilityState !== "visible" || Date.now() - at < CHECK_VERSION_MS)
			return;
		at = Date.now();
		await checkVersion();
	};
	document.addEventListener("visibilitychange", () => void look());
	setInterval(() => void look(), CHECK_VERSION_MS);
	// the stream breaks when the server starts anew: that is when it may have changed
	effect(() => {
		if (push.status.value === "live")
			void checkVersion();
	});
}
async function checkVersion() {
	try {
		const answer = await fetch("/mail/inbox", { headers: { Accept: "text/html" }, cache: "no-cache" });
		const theirs = /data-version="(\w+)"/.exec(answer.ok && !answer.redirected ? await answer.text() : "")?.[1];
		if (theirs && theirs !== document.documentElement.dataset.version)
			isNewVersion.value = true;
	} catch { /* next time */ }
}

export async function signOut(): Promise<void> {
	await saveSettings();
	try {
		await fetch("/logout", { method: "POST", credentials: "same-origin", headers: { "X-Yizhan": "1", "Content-Type": "application/json" }, body: "{}" });
	} catch { /* the login page says whether we are still in */ }
	await forgetAll();
	location.replace("/login");
}
