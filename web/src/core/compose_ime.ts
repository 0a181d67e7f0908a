/* Input methods. While somebody composes a word in Chinese, Japanese or Korean, Enter, Escape, arrows and commas
 * belong to the input method; browsers tell by isComposing, by keyCode 229, or (Safari, and Chromium on some
 * systems) not at all for the key that ends the composition, which arrives just after compositionend. */

export const IME_AFTER_MS = 50;

interface KeyLike {
	isComposing?: boolean;
	keyCode?: number;
	timeStamp?: number;
	type?: string;
}

export class ImeGuard {
	private composing = false;
	private endedAt = -Infinity;

	constructor(private readonly now: () => number = () => performance.now()) {}

	start(): void {
		this.composing = true;
	}

	end(): void {
		this.composing = false;
		this.endedAt = this.now();
	}

	/** Does this key belong to the input method? */
	owns(e: KeyLike): boolean {
		return this.composing || e.isComposing === true || e.keyCode === 229 || this.now() - this.endedAt < IME_AFTER_MS;
	}

	/** Listen on an element, whatever in it is composed in; returns the end of it. */
	watch(el: EventTarget): () => void {
		const start = () => this.start();
		const end = () => this.end();
		el.addEventListener("compositionstart", start, true);
		el.addEventListener("compositionend", end, true);
		return () => {
			el.removeEventListener("compositionstart", start, true);
			el.removeEventListener("compositionend", end, true);
		};
	}
}
