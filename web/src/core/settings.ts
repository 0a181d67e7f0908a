// What the page remembers of its owner: kept on the server (WebSettings), with a copy in the browser so that the
// first picture is already right.

import { computed, effect, signal } from "@preact/signals-core";
import type { Jmap } from "./jmap";
import { type Language, chooseLanguage, setLanguage } from "./i18n";
import type { Patch } from "./types";

export interface Label { keyword: string; name: string; color: string }
export interface SavedSearch { id: string; name: string; query: string }
export interface Settings {
	language: Language | "auto";
	theme: "system" | "light" | "dark";
	density: "compact" | "normal" | "roomy";
	conversations: boolean;
	readerPane: "side" | "off";
	folderWidth: number;
	listWidth: number;
	keys: boolean;
	afterAction: "list" | "next";
	markReadSeconds: number;
	labels: Label[];
	searches: SavedSearch[];
	collapsed: string[];
	/** Remote images: ask, known senders (contacts), these addresses. */
	images: "ask" | "contacts";
	imageSenders: string[];
	undoSeconds: number;
	composeMode: "rich" | "plain";
	/** Under which identity a new letter is written; "": the first. */
	defaultIdentity: string;
	askOutside: boolean;
	notify: boolean;
	dateFormat: "auto" | "24" | "12";
}
export const DEFAULTS: Settings = {
	language: "auto", theme: "system", density: "normal", conversations: true, readerPane: "side", folderWidth: 240, listWidth: 420,
	keys: true, afterAction: "list", markReadSeconds: 0, labels: [], searches: [], collapsed: [], images: "ask", imageSenders: [],
	undoSeconds: 10, composeMode: "rich", defaultIdentity: "", askOutside: false, notify: false, dateFormat: "auto",
};

const LOCAL = "yizhan.settings";
/** What the server does not have yet: a tab that goes leaves it to the next one. */
const WAITING = "yizhan.settings.waiting";
const SAVE_AFTER_MS = 800;

export const settings = signal<Settings>(DEFAULTS);
export const theme = computed(() => settings.value.theme);

/** What came from elsewhere fits where its type does; the rest stays as it is by itself. */
export function clean(value: unknown): Settings {
	const out: Record<string, unknown> = { ...DEFAULTS };
	if (value && typeof value === "object")
		for (const [k, v] of Object.entries(value))
			if (k in DEFAULTS && typeof v === typeof out[k] && Array.isArray(v) === Array.isArray(out[k]))
				out[k] = v;
	return out as unknown as Settings;
}

export function cleanPatch(value: unknown): Patch {
	const all = clean(value) as unknown as Record<string, unknown>;
	return Object.fromEntries(Object.entries(value ?? {}).filter(([k, v]) => all[k] === v));
}

let jmap: Jmap | null = null;
let unsaved: Patch = {};
let sending: Patch | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;

/** From the browser's own memory, before anything is asked. */
export function startSettings(): Promise<void> {
	try {
		settings.value = clean(JSON.parse(localStorage.getItem(LOCAL) ?? "{}"));
		unsaved = cleanPatch(JSON.parse(localStorage.getItem(WAITING) ?? "{}"));
	} catch { /* nothing kept, or not by us */ }
	effect(() => {
		const root = document.documentElement;
		root.dataset.theme = settings.value.theme;
		root.dataset.density = settings.value.density;
	});
	return applyLanguage();
}

function applyLanguage(): Promise<void> {
	const wanted = settings.value.language;
	return setLanguage(wanted === "auto" ? chooseLanguage(navigator.languages) : wanted);
}

/** From the server; again whenever a StateChange names WebSettings. */
export async function loadSettings(client: Jmap): Promise<void> {
	jmap = client;
	if (!client.has("page"))
		return;
	const got = await client.call<{ list: Record<string, unknown>[] }>("WebSettings/get", { ids: null });
	const kept = got.list[0]?.value ?? got.list[0];
	settings.value = { ...clean(kept), ...(sending as Partial<Settings> | null), ...(unsaved as Partial<Settings>) };
	keep();
	if (Object.keys(unsaved).length)
		saveSoon();
	await applyLanguage();
}

function keep() {
	try {
		localStorage.setItem(LOCAL, JSON.stringify(settings.value));
		const waiting = { ...sending, ...unsaved };
		if (Object.keys(waiting).length)
			localStorage.setItem(WAITING, JSON.stringify(waiting));
		else
			localStorage.removeItem(WAITING);
	} catch { /* no room: the server has it */ }
}

export function changeSettings(patch: Partial<Settings>): void {
	settings.value = { ...settings.value, ...patch };
	Object.assign(unsaved, patch);
	keep();
	if ("language" in patch)
		void applyLanguage();
	saveSoon();
}

function saveSoon() {
	clearTimeout(timer);
	timer = setTimeout(() => void saveSettings(), SAVE_AFTER_MS);
}

export async function saveSettings(): Promise<void> {
	clearTimeout(timer);
	if (!jmap?.has("page") || !Object.keys(unsaved).length)
		return;
	if (sending) {
		saveSoon(); // one after the other: the later one counts
		return;
	}
	sending = unsaved;
	unsaved = {};
	try {
		await jmap.call("WebSettings/set", { update: { singleton: sending } });
	} catch {
		unsaved = { ...sending, ...unsaved }; // with the next change, or the next start: the browser has them
	}
	sending = null;
	keep();
}

/** Somebody signs out: nothing stays in this browser. */
export async function forgetAll(): Promise<void> {
	localStorage.clear();
	sessionStorage.clear();
	for (const name of await globalThis.caches?.keys?.() ?? [])
		await caches.delete(name);
	for (const r of await navigator.serviceWorker?.getRegistrations?.() ?? [])
		await r.unregister();
}
