/* Tabs with the same draft learn of each other at once, by BroadcastChannel: who opens one asks, who has it answers.
 * Nothing is forbidden: a draft that is changed twice becomes two. */

export interface Channel {
	postMessage(m: unknown): void;
	onmessage: ((e: MessageEvent) => void) | null;
	close(): void;
}
interface Note { kind: "open" | "here" | "closed"; emailId: string; from: string }

export class DraftTabs {
	readonly #others = new Set<string>();
	#isEnded = false;
	constructor(readonly me: string, readonly emailId: () => string | null, readonly onChange: (isElsewhere: boolean) => void, readonly channel: Channel) {
		channel.onmessage = (e) => this.#hear(e.data as Note);
		this.opened();
	}
	#say(kind: Note["kind"]) {
		const emailId = this.emailId();
		if (emailId !== null && !this.#isEnded)
			this.channel.postMessage({ kind, emailId, from: this.me } satisfies Note);
	}
	#hear(n: Note) {
		if (n?.from === this.me || n?.emailId !== this.emailId())
			return;
		if (n.kind === "closed")
			this.#others.delete(n.from);
		else
			this.#others.add(n.from);
		if (n.kind === "open")
			this.#say("here");
		this.onChange(this.#others.size > 0);
	}
	/** The letter is a draft at the server, or another one than before. */
	opened() {
		this.#say("open");
	}
	/** It has been saved: the others have the one that was. */
	moved() {
		this.#others.clear();
		this.onChange(false);
		this.opened();
	}
	end() {
		this.#say("closed");
		this.#isEnded = true;
		this.channel.close();
	}
}
