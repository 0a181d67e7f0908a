// What can be taken back: the last things that were done, each for as long as its toast stands and a while longer.

import { signal } from "@preact/signals-core";

export interface Undoable { text: string; undo(): void | Promise<unknown> }
const KEPT = 20;
const KEPT_MS = 60_000;

export class UndoStack {
	readonly top = signal<Undoable | null>(null);
	#list: { what: Undoable; until: number }[] = [];
	constructor(readonly now: () => number = () => Date.now()) {}

	push(what: Undoable): void {
		this.#list.push({ what, until: this.now() + KEPT_MS });
		this.#list = this.#list.slice(-KEPT);
		this.top.value = what;
	}
	/** Take back the last thing, or this one. False: there is none. */
	undo(what?: Undoable): boolean {
		this.#list = this.#list.filter((e) => e.until > this.now());
		const at = what ? this.#list.findIndex((e) => e.what === what) : this.#list.length - 1;
		const [found] = at < 0 ? [] : this.#list.splice(at, 1);
		this.top.value = this.#list[this.#list.length - 1]?.what ?? null;
		if (!found)
			return false;
		void found.what.undo();
		return true;
	}
	/** It cannot be taken back any more. */
	drop(what: Undoable): void {
		this.#list = this.#list.filter((e) => e.what !== what);
		this.top.value = this.#list[this.#list.length - 1]?.what ?? null;
	}
}
