// What has changed on the server, told as it happens. One tab holds the stream (a Web Lock says which) and tells the
// others by BroadcastChannel; when the stream does not come through, the tab asks every half minute instead.

import { signal } from "@preact/signals-core";
import type { Jmap } from "./jmap";
import type { Store } from "./store";
import type { Id } from "./types";

export type Status = "live" | "polling" | "offline" | "starting";
const PING_SECONDS = 20;
const SILENCE_MS = 50_000; // two pings and a half
const POLL_MS = 30_000;
const RETRY_MS = [500, 2000, 5000, 15_000, 30_000];
const FAILURES_TO_POLL = 3;
const NAME = "yizhan-push";
const GONE = "0"; // the state of an account that is not shared with us any more

interface Notice { kind: "change" | "status"; changed?: Record<Id, Record<string, string>>; status?: Status; at?: number }

/** Server-sent events out of pieces of text, cut anywhere. */
export class EventParser {
	#rest = "";
	#event = "";
	#data: string[] = [];
	feed(text: string): { event: string; data: string }[] {
		const out: { event: string; data: string }[] = [];
		this.#rest += text;
		for (;;) {
			const m = /\r\n|\n|\r(?=[^])/.exec(this.#rest);
			if (!m)
				return out;
			const line = this.#rest.slice(0, m.index);
			this.#rest = this.#rest.slice(m.index + m[0].length);
			if (line === "") {
				if (this.#data.length)
					out.push({ event: this.#event || "message", data: this.#data.join("\n") });
				this.#event = "";
				this.#data = [];
			} else if (!line.startsWith(":")) {
				const at = line.indexOf(":");
				const field = at < 0 ? line : line.slice(0, at);
				const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
				if (field === "event")
					this.#event = value;
				else if (field === "data")
					this.#data.push(value);
			}
		}
	}
}

export class Push {
	readonly status = signal<Status>("starting");
	readonly updatedAt = signal<number>(0);
	/** Other types than the store's tables: settings, traces. */
	readonly listeners = new Set<(changed: Record<string, string>) => void>();
	#channel: BroadcastChannel | null = null;
	#isLeader = false;
	#failures = 0;
	#pollTimer: ReturnType<typeof setInterval> | undefined;
	#wake: (() => void) | null = null;

	/** Stores of other accounts that are followed too. */
	others: () => Iterable<Store> = () => [];
	/** News of an account that nobody follows: it has just been shared with us, or is not any more. */
	onAccount: (accountId: Id) => void = () => {};

	constructor(readonly jmap: Jmap, readonly store: Store) {}

	#syncAll() {
		for (const s of [this.store, ...this.others()])
			void s.syncAll();
	}
	#flush() {
		for (const s of [this.store, ...this.others()])
			void s.flush();
	}

	start(): void {
		if (typeof BroadcastChannel !== "undefined") {
			this.#channel = new BroadcastChannel(NAME);
			this.#channel.onmessage = (e) => this.#hear(e.data as Notice);
		}
		addEventListener("online", () => this.retry());
		addEventListener("offline", () => this.#say("offline"));
		document.addEventListener("visibilitychange", () => {
			if (document.visibilityState === "visible" && this.status.value !== "live")
				this.retry();
		});
		if (navigator.locks)
			void navigator.locks.request(NAME, () => this.#lead());
		else
			void this.#lead();
		// who follows has nothing to hear when nothing happens: what was missed before is asked for once
		if (navigator.locks)
			setTimeout(() => {
				if (!this.#isLeader && this.status.value === "starting")
					this.#channel?.postMessage({ kind: "status" } satisfies Notice);
			}, 200);
	}
	/** Try at once: the network is back, or somebody has clicked. */
	retry(): void {
		if (this.#isLeader)
			this.#wake?.();
		this.jmap.session.value && this.#flush();
		this.#syncAll();
	}
	/** The store's word on the network: without a stream it is the only one. */
	network(isUp: boolean): void {
		if (!isUp)
			this.#say(navigator.onLine === false ? "offline" : this.status.value === "live" ? "live" : "offline");
		else {
			this.updatedAt.value = Date.now();
			if (this.status.value === "offline")
				this.#say("polling");
		}
	}

	#say(status: Status) {
		this.status.value = status;
		if (status === "live")
			this.updatedAt.value = Date.now();
		if (this.#isLeader)
			this.#channel?.postMessage({ kind: "status", status, at: this.updatedAt.value } satisfies Notice);
	}
	#hear(n: Notice) {
		if (n.kind === "change" && n.changed)
			this.#changed(n.changed);
		else if (n.status && !this.#isLeader) {
			const wasLive = this.status.value === "live";
			this.status.value = n.status;
			this.updatedAt.value = n.at ?? 0;
			if (n.status === "live" && !wasLive)
				this.#syncAll();
		} else if (!n.status && this.#isLeader) {
			this.#say(this.status.value);
		}
	}
	#changed(changed: Record<Id, Record<string, string>>) {
		this.updatedAt.value = Date.now();
		const own = this.store.accountId ?? this.jmap.accountId;
		for (const [id, states] of Object.entries(changed)) {
			const other = id === own ? null : [...this.others()].find((s) => s.accountId === id);
			other?.stateChange(states);
			if (id !== own && (!other || Object.values(states).includes(GONE)))
				this.onAccount(id);
		}
		const mine = changed[own];
		if (!mine)
			return;
		this.store.stateChange(mine);
		for (const l of this.listeners)
			l(mine);
	}

	async #lead(): Promise<void> {
		this.#isLeader = true;
		for (;;) {
			if (!this.jmap.session.value) {
				await this.#wait(500);
				continue;
			}
			const wasGood = await this.#stream().catch(() => false);
			this.#failures = wasGood ? 0 : this.#failures + 1;
			if (navigator.onLine === false)
				this.#say("offline");
			else if (this.#failures >= FAILURES_TO_POLL)
				this.#poll();
			else if (this.#failures)
				this.#say(this.status.value === "live" ? "polling" : this.status.value);
			await this.#wait(RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)]!);
		}
	}
	#wait(ms: number): Promise<void> {
		return new Promise((done) => {
			const timer = setTimeout(done, ms);
			this.#wake = () => {
				clearTimeout(timer);
				done();
			};
		});
	}
	#poll() {
		if (this.status.value !== "polling")
			this.#say("polling");
		this.#pollTimer ??= setInterval(() => this.#syncAll(), POLL_MS);
	}

	/** True when it has told anything before it ended. */
	async #stream(): Promise<boolean> {
		const abort = new AbortController();
		let heardAt = Date.now(), wasGood = false;
		const watch = setInterval(() => {
			if (Date.now() - heardAt > SILENCE_MS)
				abort.abort(); // a proxy that holds it back, or a network that is gone
		}, 5000);
		this.#wake = () => abort.abort();
		try {
			const url = this.jmap.session.value!.eventSourceUrl.replace("{types}", "*").replace("{closeafter}", "no")
				.replace("{ping}", String(PING_SECONDS));
			const answer = await fetch(url, { credentials: "same-origin", signal: abort.signal, headers: { Accept: "text/event-stream", "X-Yizhan": "1" } });
			if (answer.status === 401)
				this.jmap.ended();
			if (!answer.ok || !answer.body)
				return false;
			this.#say("live");
			clearInterval(this.#pollTimer);
			this.#pollTimer = undefined;
			this.#flush();
			this.#syncAll(); // whatever happened while nobody listened
			const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
			const parser = new EventParser();
			for (;;) {
				const { value, done } = await reader.read();
				if (done)
					return wasGood;
				heardAt = Date.now();
				wasGood = true;
				this.updatedAt.value = heardAt;
				for (const e of parser.feed(value))
					if (e.event === "state")
						this.#tell(e.data);
			}
		} finally {
			clearInterval(watch);
			abort.abort();
		}
	}
	#tell(data: string) {
		try {
			const changed = (JSON.parse(data) as { changed: Record<Id, Record<string, string>> }).changed;
			this.#channel?.postMessage({ kind: "change", changed } satisfies Notice);
			this.#changed(changed);
		} catch { /* not ours */ }
	}
}
