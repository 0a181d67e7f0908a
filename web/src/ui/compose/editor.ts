// Squire, made to keep within the page's content security policy: it sets style attributes and innerHTML, which the
// policy refuses (style-src, Trusted Types), so both go through the CSSOM and the sanitizer here.

import Squire from "squire-rte";
import type { ImeGuard } from "../../core/compose_ime";
import { SIGNATURE_CLASS } from "../../core/compose_signature";
import { type NodeLike, textOf } from "../../core/compose_text";
import { cleanHtml, mailHtml } from "./sanitize";

export type Format = "B" | "I" | "U" | "S" | "UL" | "OL" | "BLOCKQUOTE" | "A" | "CODE";
export interface EditorState { active: Set<Format>; color: string; size: string }

export interface EditorHooks {
	onChange(): void;
	onState(s: EditorState): void;
	/** Files that are pasted or dropped into the text. */
	onFiles(files: File[]): void;
	/** Images that came with foreign HTML as data: become files of the letter. */
	onForeignImages(images: HTMLImageElement[]): void;
	imageUrl(cid: string): string | null;
	guard: ImeGuard;
}

/** setAttribute("style", …) is refused by the policy, the same by the CSSOM is not. */
function withStyles<T>(run: () => T): T {
	const original = Element.prototype.setAttribute;
	Element.prototype.setAttribute = function (this: Element, name: string, value: string) {
		if (name.toLowerCase() === "style" && "style" in this)
			(this as HTMLElement).style.cssText = value;
		else
			original.call(this, name, value);
	};
	try {
		return run();
	} finally {
		Element.prototype.setAttribute = original;
	}
}

type Methods = Record<string, (...args: unknown[]) => unknown>;
const STYLED = ["setHTML", "insertHTML", "changeFormat", "removeAllFormatting", "setFontSize", "setTextColor", "makeLink", "toggleCode", "insertImage",
	"increaseListLevel", "decreaseListLevel", "increaseQuoteLevel", "decreaseQuoteLevel", "makeUnorderedList", "makeOrderedList", "removeList",
	"handleEvent"];

export class Editor {
	readonly squire: Squire;
	#isLoading = false;
	#isOwn = false;
	#stop: () => void;

	constructor(readonly root: HTMLElement, readonly hooks: EditorHooks) {
		this.#stop = this.#listen(); // before Squire does: it listens while events come down, too
		this.squire = withStyles(() => new Squire(root, {
			blockTag: "DIV",
			sanitizeToDOMFragment: (html) => this.#make(html),
			tagAttributes: { blockquote: { type: "cite" } },
			didError: (e) => console.warn(e),
		}));
		const methods = this.squire as unknown as Methods;
		for (const name of STYLED) {
			const was = methods[name]!.bind(this.squire);
			methods[name] = (...args: unknown[]) => withStyles(() => was(...args));
		}
		// snapshots of undo are put back as trees
		methods._setRawHTML = (html: unknown) => {
			this.#own(() => root.replaceChildren(this.#make(String(html))));
			if (!root.firstChild)
				root.append(this.squire.createDefaultBlock());
			(this.squire as unknown as { _ignoreChange: boolean })._ignoreChange = true;
			return this.squire;
		};
		this.squire.addEventListener("input", () => {
			if (!this.#isLoading)
				hooks.onChange();
		});
		const tell = () => hooks.onState(this.state());
		for (const name of ["pathChange", "select", "cursor"])
			this.squire.addEventListener(name, tell);
		this.squire.addEventListener("pasteImage", (e: Event) => {
			const data = (e as CustomEvent<{ clipboardData: DataTransfer }>).detail.clipboardData;
			hooks.onFiles([...data.items].map((i) => i.getAsFile()).filter((f): f is File => !!f));
		});
		for (const key of ["Ctrl-b", "Meta-b", "Ctrl-i", "Meta-i", "Ctrl-u", "Meta-u"])
			this.squire.setKeyHandler(key, (_, e) => {
				e.preventDefault();
				this.toggle(key.slice(-1).toUpperCase() as Format);
			});
		this.squire.setKeyHandler("Enter", (_, e, range) => {
			e.preventDefault();
			if (!this.splitQuote(range))
				this.squire.splitBlock(false, range);
		});
	}

	/** Before Squire hears of them: keys of an input method, files. */
	#listen(): () => void {
		const { root, hooks } = this;
		const end = new AbortController();
		const first = { capture: true, signal: end.signal };
		root.addEventListener("keydown", (e) => {
			if (!hooks.guard.owns(e) || (e.key !== "Enter" && e.key !== "Tab" && e.key !== "Escape"))
				return;
			e.stopImmediatePropagation();
			if (!e.isComposing && e.keyCode !== 229)
				e.preventDefault(); // the key that ended the composition
		}, first);
		root.addEventListener("paste", (e) => {
			const files = [...e.clipboardData?.files ?? []];
			if (!files.length || e.clipboardData!.types.some((t) => t === "text/html" || t === "text/plain"))
				return;
			e.preventDefault();
			e.stopImmediatePropagation();
			hooks.onFiles(files);
		}, first);
		root.addEventListener("drop", (e) => {
			const files = [...e.dataTransfer?.files ?? []];
			if (!files.length)
				return;
			e.preventDefault();
			e.stopPropagation();
			this.#cursorTo(e.clientX, e.clientY);
			hooks.onFiles(files);
		}, first);
		const unwatch = hooks.guard.watch(root);
		return () => {
			end.abort();
			unwatch();
		};
	}

	#own<T>(run: () => T): T {
		this.#isOwn = true;
		try {
			return run();
		} finally {
			this.#isOwn = false;
		}
	}
	#make(html: string): DocumentFragment {
		const fragment = cleanHtml(html, this.#isOwn);
		this.#showImages(fragment);
		return fragment;
	}

	/** Put in a letter's HTML; what was there, and its undo, goes. */
	load(html: string) {
		this.#isLoading = true;
		this.#own(() => this.squire.setHTML(html));
		setTimeout(() => { this.#isLoading = false; }, 0);
	}
	destroy() {
		this.#stop();
		this.squire.destroy();
	}
	html(): string {
		return mailHtml(this.root);
	}
	text(): string {
		return textOf(this.root as unknown as NodeLike);
	}
	/** What was written here, without quotes and the signature. */
	ownText(): string {
		const copy = this.root.cloneNode(true) as HTMLElement;
		for (const el of copy.querySelectorAll(`blockquote, .${SIGNATURE_CLASS}`))
			el.remove();
		return textOf(copy as unknown as NodeLike);
	}
	focus(atStart = false) {
		this.squire.focus();
		if (atStart) {
			this.squire.moveCursorToStart();
			this.root.scrollTop = 0;
		}
	}

	#showImages(fragment: DocumentFragment) {
		const foreign: HTMLImageElement[] = [];
		for (const img of fragment.querySelectorAll("img")) {
			const cid = img.getAttribute("data-yz-cid");
			const url = cid !== null ? this.hooks.imageUrl(cid) : null;
			if (url !== null)
				img.setAttribute("src", url);
			else if (cid !== null)
				img.removeAttribute("src");
			else if (/^(data|blob):/.test(img.getAttribute("src") ?? ""))
				foreign.push(img);
			else if (!img.hasAttribute("data-yz-src"))
				img.remove();
		}
		if (foreign.length)
			this.hooks.onForeignImages(foreign);
	}
	#cursorTo(x: number, y: number) {
		const range = document.caretRangeFromPoint?.(x, y);
		if (range && this.root.contains(range.startContainer))
			this.squire.setSelection(range);
	}

	// ---- formats ----

	state(): EditorState {
		const s = this.squire;
		const active = new Set<Format>((["B", "I", "U", "S", "A", "UL", "OL", "BLOCKQUOTE"] as const).filter((tag) => s.hasFormat(tag)));
		if (s.hasFormat("CODE") || s.hasFormat("PRE"))
			active.add("CODE");
		const font = s.getFontInfo();
		return { active, color: font.color ?? "", size: font.fontSize ?? "" };
	}
	toggle(f: Format) {
		const s = this.squire;
		const on = s.hasFormat(f);
		const acts: Record<Format, [on: () => unknown, off: () => unknown]> = {
			B: [() => s.bold(), () => s.removeBold()],
			I: [() => s.italic(), () => s.removeItalic()],
			U: [() => s.underline(), () => s.removeUnderline()],
			S: [() => s.strikethrough(), () => s.removeStrikethrough()],
			UL: [() => s.makeUnorderedList(), () => s.removeList()],
			OL: [() => s.makeOrderedList(), () => s.removeList()],
			BLOCKQUOTE: [() => s.increaseQuoteLevel(), () => s.decreaseQuoteLevel()],
			CODE: [() => s.toggleCode(), () => s.toggleCode()],
			A: [() => {}, () => s.removeLink()],
		};
		acts[f][on ? 1 : 0]();
		this.hooks.onState(this.state());
	}
	indent(more: boolean) {
		const s = this.squire;
		if (s.hasFormat("UL") || s.hasFormat("OL"))
			more ? s.increaseListLevel() : s.decreaseListLevel();
		else
			more ? s.increaseQuoteLevel() : s.decreaseQuoteLevel();
	}
	/** Where the link at the cursor goes; "": there is none. */
	linkAt(): string {
		const at = this.squire.getSelection().startContainer;
		const el = at.nodeType === Node.ELEMENT_NODE ? at as Element : at.parentElement;
		const a = el?.closest("a");
		return a && this.root.contains(a) ? a.getAttribute("href") ?? "" : "";
	}
	link(url: string) {
		if (url)
			this.squire.makeLink(url);
		else
			this.squire.removeLink();
		this.focus();
	}
	insertImage(cid: string, url: string, alt: string) {
		this.squire.insertImage(url, { "data-yz-cid": cid, alt });
	}
	removeImage(cid: string) {
		for (const img of this.root.querySelectorAll("img"))
			if (img.getAttribute("data-yz-cid") === cid)
				img.remove();
		this.hooks.onChange();
	}

	/** Enter in a quote: it becomes two, with an empty line between to write on. */
	splitQuote(range: Range): boolean {
		const at = range.startContainer;
		const element = at.nodeType === Node.ELEMENT_NODE ? at as Element : at.parentElement;
		let quote = element?.closest("blockquote") ?? null;
		if (!quote || !this.root.contains(quote) || element?.closest("pre"))
			return false;
		for (let up = quote.parentElement?.closest("blockquote"); up && this.root.contains(up); up = up.parentElement?.closest("blockquote"))
			quote = up;
		this.squire.saveUndoState(range);
		range.deleteContents();
		const rest = document.createRange();
		rest.setStart(range.startContainer, range.startOffset);
		rest.setEnd(quote, quote.childNodes.length);
		const tail = quote.cloneNode(false) as HTMLElement;
		tail.append(rest.extractContents());
		const line = this.squire.createDefaultBlock();
		quote.after(line, tail);
		for (const [part, edge] of [[quote, "lastElementChild"], [tail, "firstElementChild"]] as const) {
			for (let el = part[edge]; el && !el.textContent && !el.querySelector("img, br"); el = part[edge])
				el.remove(); // the half line that the cut left at its edge
			if (!part.textContent?.trim() && !part.querySelector("img"))
				part.remove();
		}
		const cursor = document.createRange();
		cursor.setStart(line, 0);
		cursor.collapse(true);
		this.squire.setSelection(cursor);
		line.scrollIntoView({ block: "nearest" });
		this.hooks.onChange();
		return true;
	}

	/** Exchange our signature; one that was changed by hand stays. */
	swapSignature(fromHtml: string, toHtml: string): void {
		const here = [...this.root.querySelectorAll<HTMLElement>(`.${SIGNATURE_CLASS}`)].find((el) => !el.closest("blockquote"));
		const words = (el: Node) => (el.textContent ?? "").replace(/\s+/g, "");
		if (here && words(cleanHtml(fromHtml)) !== words(here))
			return;
		this.squire.saveUndoState(this.squire.getSelection());
		const next = document.createElement("div");
		next.className = SIGNATURE_CLASS;
		next.append(this.#make(toHtml));
		if (here && toHtml) {
			here.replaceWith(next);
		} else if (here) {
			here.remove();
		} else if (toHtml) {
			const quote = [...this.root.children].find((el) => el.localName === "blockquote");
			const line = quote?.previousElementSibling;
			const before = line && /[:：]$/.test(line.textContent?.trim() ?? "") ? line : quote;
			const gap = this.squire.createDefaultBlock();
			if (before)
				before.before(gap, next);
			else
				this.root.append(gap, next);
		}
		this.hooks.onChange();
	}
}
