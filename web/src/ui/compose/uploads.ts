// Files on their way to the server: as many at once as it takes, each with its progress, to be cancelled and tried again.

import { signal } from "@preact/signals";
import type { Attachment } from "../../core/compose_types";
import { NetworkError, RequestError, SessionEnded, type Upload } from "../../core/jmap";
import { isLoginLost, jmap } from "../app";

export interface UploadItem {
	key: string;
	name: string;
	type: string;
	size: number;
	cid: string | null;
	sent: number;
	state: "waiting" | "sending" | "failed" | "tooLarge";
}
const AT_ONCE = 4;
const RETRY_MS = 3000;
const RETRIES = 3;

export class Uploads {
	readonly items = signal<UploadItem[]>([]);
	#files = new Map<string, { file: Blob; tries: number; handle: Upload | null }>();
	#count = 0;

	constructor(readonly onDone: (a: Attachment) => void) {}

	/** Octets of one file at most. */
	get max(): number {
		return jmap.limit("maxSizeUpload", 50_000_000);
	}
	add(file: Blob, name: string, cid: string | null): string {
		const key = `u${++this.#count}`;
		const type = file.type || "application/octet-stream";
		this.#files.set(key, { file, tries: 0, handle: null });
		this.items.value = [...this.items.value, { key, name, type, size: file.size, cid, sent: 0, state: file.size > this.max ? "tooLarge" : "waiting" }];
		this.#next();
		return key;
	}
	cancel(key: string) {
		const f = this.#files.get(key);
		this.#drop(key);
		f?.handle?.cancel();
		this.#next();
	}
	retry(key: string) {
		const f = this.#files.get(key);
		if (f)
			f.tries = 0;
		this.#set(key, { state: "waiting", sent: 0 });
		this.#next();
	}
	/** After a new login, or when the network is back. */
	retryAll() {
		for (const i of this.items.value)
			if (i.state === "failed")
				this.retry(i.key);
	}
	end() {
		for (const i of this.items.value)
			this.#files.get(i.key)?.handle?.cancel();
		this.#files.clear();
		this.items.value = [];
	}

	#set(key: string, patch: Partial<UploadItem>) {
		this.items.value = this.items.value.map((i) => i.key === key ? { ...i, ...patch } : i);
	}
	#drop(key: string) {
		this.#files.delete(key);
		this.items.value = this.items.value.filter((i) => i.key !== key);
	}
	#next() {
		const free = Math.min(AT_ONCE, jmap.limit("maxConcurrentUpload", AT_ONCE)) - this.items.value.filter((i) => i.state === "sending").length;
		for (const i of this.items.value.filter((x) => x.state === "waiting").slice(0, Math.max(0, free)))
			void this.#send(i);
	}
	async #send(i: UploadItem): Promise<void> {
		const f = this.#files.get(i.key)!;
		this.#set(i.key, { state: "sending", sent: 0 });
		const handle = f.handle = jmap.upload(f.file, (sent) => this.#set(i.key, { sent }), i.type);
		try {
			const { blobId } = await handle.done;
			if (this.#files.get(i.key)?.handle !== handle)
				return;
			this.#drop(i.key);
			this.onDone({ key: i.key, name: i.name, type: i.type, size: i.size, blobId, cid: i.cid });
		} catch (e) {
			if (this.#files.get(i.key)?.handle !== handle)
				return; // cancelled
			this.#set(i.key, { state: e instanceof RequestError && e.status === 413 ? "tooLarge" : "failed" });
			if ((e instanceof NetworkError || e instanceof SessionEnded) && f.tries++ < RETRIES && !isLoginLost.value)
				setTimeout(() => {
					if (this.items.value.find((x) => x.key === i.key)?.state === "failed") {
						this.#set(i.key, { state: "waiting" });
						this.#next();
					}
				}, Math.max(RETRY_MS * f.tries, e instanceof NetworkError ? e.afterMs : 0));
		}
		this.#next();
	}
}
