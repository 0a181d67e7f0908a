// Keys of one letter and pairs like "g i". None fires while somebody types, in a dialog or menu, with Ctrl, Alt or
// Meta, or within the composition of a character (IME); all can be switched off.

export interface KeyEventLike {
	key: string; ctrlKey: boolean; altKey: boolean; metaKey: boolean; shiftKey: boolean; isComposing: boolean; keyCode: number;
	timeStamp: number; target: EventTarget | null; defaultPrevented: boolean; preventDefault(): void;
}
export interface KeyBinding { keys: string; label: string; run(): void; /** Shown in the help under this heading. */ group: string }

const PAIR_MS = 1500;
/** Some input methods say Enter and the end of the composition at once. */
const AFTER_COMPOSITION_MS = 50;

/** Does typing here mean text? */
export function isTyping(target: EventTarget | null): boolean {
	const e = target as Partial<HTMLElement> | null;
	if (!e?.closest)
		return false;
	return !!e.isContentEditable || !!e.closest("input:not([type=checkbox]):not([type=radio]):not([type=button]), textarea, select, [data-keys=own], dialog");
}

export class Keys {
	isOn: () => boolean = () => true;
	readonly layers: KeyBinding[][] = [];
	#first: { key: string; at: number } | null = null;
	#composedAt = -Infinity;

	/** Until what is returned is called. Later layers win. */
	add(bindings: KeyBinding[]): () => void {
		this.layers.push(bindings);
		return () => {
			const at = this.layers.indexOf(bindings);
			if (at >= 0)
				this.layers.splice(at, 1);
		};
	}
	all(): KeyBinding[] {
		const seen = new Set<string>();
		return [...this.layers].reverse().flat().filter((b) => !seen.has(b.keys) && seen.add(b.keys));
	}
	composed(at: number) {
		this.#composedAt = at;
	}
	handle(e: KeyEventLike): boolean {
		if (e.defaultPrevented || !this.isOn() || e.isComposing || e.keyCode === 229 || e.timeStamp - this.#composedAt < AFTER_COMPOSITION_MS)
			return false;
		if (e.ctrlKey || e.altKey || e.metaKey || isTyping(e.target) || e.key === "Shift")
			return false;
		const key = e.shiftKey && e.key.length > 1 ? "Shift+" + e.key : e.shiftKey && /^\p{Lu}$/u.test(e.key) ? "Shift+" + e.key : e.key;
		const first = this.#first && e.timeStamp - this.#first.at < PAIR_MS ? this.#first.key + " " : "";
		this.#first = null;
		const all = this.all();
		const found = all.find((b) => b.keys.split(", ").includes(first + key)) ?? (first ? undefined
			: all.find((b) => b.keys.split(", ").includes(key)));
		if (found) {
			e.preventDefault();
			found.run();
			return true;
		}
		if (!first && all.some((b) => b.keys.startsWith(key + " ")))
			this.#first = { key, at: e.timeStamp };
		return false;
	}
	listen(to: Document): void {
		to.addEventListener("compositionend", (e) => this.composed(e.timeStamp), true);
		to.addEventListener("keydown", (e) => this.handle(e));
	}
}
