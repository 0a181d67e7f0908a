// All letters that are being written, and those that can still be taken back. (compose.css, i18n/compose.*.json)

import { effect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { LOCAL_PREFIX, orphans } from "../../core/compose_local";
import { addCatalogue } from "../../core/i18n";
import en from "../../i18n/compose.en.json";
import { jmap } from "../app";
import { ComposerPanel } from "./ComposerPanel";
import { width } from "../shell/width";
import { Held } from "./Held";
import { Scheduled } from "./Scheduled";
import { activeComposer, composers, isScheduledOpen, isWanted, openComposer } from "./compose";
import { Composer } from "./composer";
import { held, restoreHeld } from "./sending";

addCatalogue(en, { "zh-CN": () => import("../../i18n/compose.zh-CN.json") });

const open = new Map<number, Composer>();

/** Letters of tabs that are gone stand here again. */
async function restore(): Promise<void> {
	const username = jmap.session.value?.username ?? "";
	const locks = await navigator.locks?.query?.();
	const heldBy = new Set([...locks?.held ?? [], ...locks?.pending ?? []].map((l) => l.name ?? ""));
	for (const c of open.values())
		heldBy.add(LOCAL_PREFIX + c.instance);
	for (const copy of orphans(localStorage, username, heldBy, Date.now()))
		openComposer({ kind: "local", instance: copy.instance });
}

let isRestored = false;

export function Composers() {
	const list = composers.value;
	useEffect(() => effect(() => {
		if (!isWanted.value || isRestored)
			return;
		isRestored = true;
		void Promise.allSettled([restore(), restoreHeld()]).then(() => { isWanted.value = held.value.length > 0; });
	}), []);
	useFileDrop();
	for (const number of open.keys())
		if (!list.some((o) => o.number === number))
			open.delete(number);
	for (const o of list)
		if (!open.has(o.number))
			open.set(o.number, new Composer(o));
	const covers = list.some((o) => {
		const view = open.get(o.number)!.view.value;
		return view === "full" || view === "tab" || view === "docked" && width.value === "narrow" && o.number === activeComposer.value;
	});
	useEffect(() => {
		// what a letter covers is out of reach of the keys too
		const shell = document.querySelector<HTMLElement>(".shell");
		if (shell)
			shell.inert = covers;
		return () => {
			if (shell)
				shell.inert = false;
		};
	}, [covers]);
	return (
		<>
			<div class="composers">
				{list.map((o) => <ComposerPanel c={open.get(o.number)!} key={o.number} isActive={o.number === activeComposer.value} />)}
			</div>
			<Held />
			{isScheduledOpen.value && <Scheduled onClose={() => { isScheduledOpen.value = false; }} />}
		</>
	);
}

/** Files that are dropped anywhere on the page belong to the letter that was written on last. */
function useFileDrop() {
	useEffect(() => {
		const end = new AbortController();
		const o = { signal: end.signal };
		const target = () => open.get(activeComposer.value);
		const hasFiles = (e: DragEvent) => !!e.dataTransfer?.types.includes("Files") && !!target();
		let depth = 0;
		const mark = (on: boolean) => document.documentElement.classList.toggle("dropping", on);
		addEventListener("dragenter", (e) => {
			if (hasFiles(e) && ++depth === 1)
				mark(true);
		}, o);
		addEventListener("dragleave", (e) => {
			if (hasFiles(e) && --depth <= 0) {
				depth = 0;
				mark(false);
			}
		}, o);
		addEventListener("dragover", (e) => {
			if (!hasFiles(e))
				return;
			e.preventDefault();
			e.dataTransfer!.dropEffect = "copy";
		}, o);
		addEventListener("drop", (e) => {
			depth = 0;
			mark(false);
			if (!hasFiles(e) || e.defaultPrevented)
				return;
			e.preventDefault();
			target()?.addFiles([...e.dataTransfer!.files], false);
		}, o);
		addEventListener("drop", () => mark(false), { ...o, capture: true });
		return () => end.abort();
	}, []);
}
