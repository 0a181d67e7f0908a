// A query's list, of which only what was looked at is known. It is brought up to date with Email/queryChanges, never
// read anew while the server can tell what changed.

import { signal } from "@preact/signals-core";
import { MethodError } from "./jmap";
import type { Store } from "./store";
import { LIST_PROPERTIES, OTHERS_PROPERTIES } from "./store";
import type { Comparator, Email, Filter, GetResponse, Id, QueryChangesResponse, QueryResponse, Thread } from "./types";

export const PAGE = 50;
const CHANGES_MAX = 500;

export interface WindowQuery {
	filter: Filter | null;
	sort: Comparator[];
	collapseThreads: boolean;
	/** Of an Email as it is shown now: does it still belong here? Rows that do not are hidden at once. */
	matches?: (e: Email) => boolean;
}

/** Fold what queryChanges answered into a list with holes; null: it does not add up, ask anew. */
export function foldChanges(ids: (Id | undefined)[], c: QueryChangesResponse): (Id | undefined)[] | null {
	let out = ids.slice();
	let unknown = 0;
	if (c.removed.length) {
		const removed = new Set(c.removed);
		const before = out.length;
		let holes = 0, known = 0;
		for (const id of ids) {
			if (id === undefined)
				holes++;
			else
				known += removed.has(id) ? 1 : 0;
		}
		// a removed id may never have stood there (RFC 8620 section 5.6 lets it be told all the same): the totals tell how many did
		const gone = c.total === undefined ? removed.size : ids.length + c.added.length - c.total;
		unknown = holes ? Math.max(0, gone - known) : 0;
		out = out.filter((id) => id === undefined || !removed.has(id));
		if (out.length !== before - known)
			return null;
	}
	if (unknown) {
		// some of them may have stood in a hole: nothing behind the first one is where it was
		const hole = out.indexOf(undefined);
		out.length = hole < 0 ? out.length : hole;
		for (const a of [...c.added].sort((x, y) => x.index - y.index)) {
			if (a.index > out.length)
				break;
			out.splice(a.index, 0, a.id);
		}
		if (c.total === undefined || out.length > c.total)
			return null;
		while (out.length < c.total)
			out.push(undefined);
		return out;
	}
	for (const a of [...c.added].sort((x, y) => x.index - y.index)) {
		if (a.index > out.length)
			return null;
		out.splice(a.index, 0, a.id);
	}
	return c.total !== undefined && out.length !== c.total ? null : out;
}

export class QueryWindow {
	/** Rows that are shown; null: not known yet. */
	readonly count = signal<number | null>(null);
	/** Moves when rows come, go, or become known. */
	readonly version = signal(0);
	readonly failure = signal<unknown>(null);
	/** As the server counts, with what is hidden here. */
	total = 0;
	#ids: (Id | undefined)[] = [];
	#state: string | null = null;
	#canCalculate = true;
	#hidden: number[] = [];
	#line: Promise<unknown> = Promise.resolve();
	#loading = new Set<number>();
	#lastFrom = 0;
	#stop: (() => void)[] = [];
	#isClosed = false;

	constructor(readonly store: Store, readonly query: WindowQuery) {
		const follow = (types: string[]) => types.includes("Email") || types.includes("Thread") ? this.refresh() : undefined;
		const uses = (type: string, id: Id) => (type === "Email" || type === "Thread") && this.#isNear(id);
		store.followers.add(follow);
		store.users.add(uses);
		const stop = store.email.version.subscribe(() => this.#hide());
		this.#stop = [() => store.followers.delete(follow), () => store.users.delete(uses), stop];
	}
	close() {
		this.#isClosed = true;
		this.#stop.forEach((s) => s());
	}

	// ---- what is shown ----

	#serverIndex(i: number): number {
		let at = i;
		for (const h of this.#hidden) {
			if (h > at)
				break;
			at++;
		}
		return at;
	}
	/** The row's Email; undefined: not known yet. */
	at(i: number): Id | undefined {
		return this.#ids[this.#serverIndex(i)];
	}
	/** -1: not in what is known. */
	indexOf(id: Id): number {
		const at = this.#ids.indexOf(id);
		if (at < 0 || this.#hidden.includes(at))
			return -1;
		return at - this.#hidden.filter((h) => h < at).length;
	}
	/** Where the thread of a row is: its newest Email may be another one by now. */
	indexOfThread(threadId: Id): number {
		const at = this.#ids.findIndex((id, i) => id !== undefined && !this.#hidden.includes(i) && this.store.email.peek(id)?.threadId === threadId);
		return at < 0 ? -1 : at - this.#hidden.filter((h) => h < at).length;
	}
	get state(): string | null {
		return this.#state;
	}
	/** Ids of what is known and shown, in order. */
	knownIds(): Id[] {
		return this.#ids.filter((id, i): id is Id => id !== undefined && !this.#hidden.includes(i));
	}
	#isNear(id: Id): boolean {
		const e = this.#lastFrom;
		for (let i = Math.max(0, e - 2 * PAGE); i < Math.min(this.#ids.length, e + 4 * PAGE); i++)
			if (this.#ids[i] === id)
				return true;
		return false;
	}
	#hide() {
		const matches = this.query.matches;
		const hidden: number[] = [];
		this.#ids.forEach((id, i) => {
			if (id === undefined)
				return;
			const e = this.store.email.peek(id);
			if (e ? matches && !matches(e) : this.store.email.isGone(id) || this.store.opsOf("Email", id).some((o) => o.destroy.has(id)))
				hidden.push(i);
		});
		if (hidden.length !== this.#hidden.length || hidden.some((h, i) => h !== this.#hidden[i])) {
			this.#hidden = hidden;
			this.#show();
		}
	}
	#show() {
		if (this.#state !== null)
			this.count.value = this.total - this.#hidden.length;
		this.version.value++;
	}

	// ---- asking ----

	#inLine<T>(what: () => Promise<T>): Promise<T> {
		const done = this.#line.then(what, what);
		this.#line = done.catch(() => {});
		return done;
	}
	#args(): Record<string, unknown> {
		return this.store.args({ filter: this.query.filter, sort: this.query.sort, collapseThreads: this.query.collapseThreads });
	}

	/** Make the rows from..to known. Cheap when they are. */
	ensure(from: number, to: number): void {
		const a = this.#serverIndex(Math.max(0, from)), b = this.#serverIndex(to);
		this.#lastFrom = a;
		const lost: Id[] = [];
		for (let page = Math.floor(a / PAGE); page <= Math.floor(b / PAGE); page++) {
			if (this.#state !== null && page * PAGE >= this.total)
				break;
			let isMissing = this.#state === null;
			for (let i = page * PAGE; i < Math.min((page + 1) * PAGE, this.total) && !isMissing; i++) {
				const id = this.#ids[i];
				isMissing = id === undefined;
				if (id !== undefined && !this.store.email.isFull(id) && !this.store.email.isGone(id) && i >= a && i <= b)
					lost.push(id);
			}
			if (isMissing && !this.#loading.has(page)) {
				this.#loading.add(page);
				void this.#inLine(() => this.#load(page)).catch((e) => {
					this.failure.value = e;
				}).finally(() => this.#loading.delete(page));
			}
		}
		if (lost.length)
			void this.#loadEmails(lost).catch(() => {});
	}
	/** The Emails of rows, with the others of their threads. */
	async #loadEmails(ids: Id[]) {
		await this.store.email.load(ids);
		if (this.query.collapseThreads) {
			const threads = [...new Set(ids.map((id) => this.store.email.peek(id)?.threadId).filter((t): t is Id => !!t))];
			await this.store.thread.load(threads);
			await this.store.email.load(threads.flatMap((t) => this.store.thread.peek(t)?.emailIds ?? []));
		}
		this.version.value++;
	}

	async #load(page: number): Promise<void> {
		for (let tries = 0; tries < 4 && !this.#isClosed; tries++) {
			const { jmap } = this.store;
			const query = jmap.call<QueryResponse>("Email/query", { ...this.#args(), position: page * PAGE, limit: PAGE, calculateTotal: true });
			const get = jmap.call<GetResponse<Email>>("Email/get", this.store.args({ "#ids": query.ref("/ids"), properties: LIST_PROPERTIES }));
			const rest: Promise<unknown>[] = [];
			if (this.query.collapseThreads) {
				const threads = jmap.call<GetResponse<Thread>>("Thread/get", this.store.args({ "#ids": get.ref("/list/*/threadId") }));
				const others = jmap.call<GetResponse<Email>>("Email/get",
					this.store.args({ "#ids": threads.ref("/list/*/emailIds"), properties: OTHERS_PROPERTIES }));
				rest.push(threads.then((a) => this.store.thread.put(a, true)).catch(() => {}));
				// threads so long that all their mails do not fit into one answer: those that are missing are asked for by row
				rest.push(others.then((a) => this.store.email.put(a)).catch(() => {}));
			}
			const [q, g] = await Promise.all([query, get]);
			await Promise.allSettled(rest);
			this.store.email.put(g);
			this.failure.value = null;
			if (this.#state !== null && q.queryState !== this.#state) {
				await this.#change(); // what was answered is where it was told only in the list as it is now
				continue;
			}
			this.#place(q);
			return;
		}
	}
	#place(q: QueryResponse) {
		this.#state = q.queryState;
		this.#canCalculate = q.canCalculateChanges;
		this.total = q.total ?? Math.max(this.total, q.position + q.ids.length);
		const known = this.#ids.length;
		this.#ids.length = this.total;
		if (known < this.total)
			this.#ids.fill(undefined, known);
		q.ids.forEach((id, i) => { this.#ids[q.position + i] = id; });
		this.#hide();
		this.#show();
	}

	/** Bring it up to date. */
	refresh(): Promise<void> {
		if (this.#state === null || this.#isClosed)
			return Promise.resolve();
		return this.#inLine(() => this.#change());
	}
	async #change(): Promise<void> {
		if (this.#state === null)
			return;
		let changes: QueryChangesResponse | null = null;
		if (this.#canCalculate) {
			try {
				changes = await this.store.jmap.call<QueryChangesResponse>("Email/queryChanges", { ...this.#args(),
					sinceQueryState: this.#state, maxChanges: CHANGES_MAX, calculateTotal: true });
			} catch (e) {
				if (!(e instanceof MethodError) || (e.type !== "cannotCalculateChanges" && e.type !== "tooManyChanges"))
					throw e;
			}
		}
		if (changes && changes.newQueryState === this.#state)
			return;
		const ids = changes && foldChanges(this.#ids, changes);
		if (!changes || !ids) {
			await this.#anew();
			return;
		}
		const added = changes.added.map((a) => a.id);
		const near = added.filter((_, i) => {
			const at = changes!.added[i]!.index;
			return at < this.#lastFrom + 4 * PAGE && at > this.#lastFrom - 2 * PAGE;
		});
		if (near.length)
			await this.#loadEmails(near); // rows come with what they show
		this.#ids = ids;
		this.total = ids.length;
		this.#state = changes.newQueryState;
		this.#hide();
		this.#show();
	}
	/** What cannot be told as changes is asked for again where people look. */
	async #anew(): Promise<void> {
		const page = Math.floor(this.#lastFrom / PAGE);
		const query = await this.store.jmap.call<QueryResponse>("Email/query", { ...this.#args(), position: page * PAGE, limit: 2 * PAGE,
			calculateTotal: true });
		this.#ids = [];
		this.total = 0;
		await this.#loadEmails(query.ids);
		this.#place(query);
	}
}
