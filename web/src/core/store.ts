// What the page knows of the server's objects, with changes that were made here shown at once.
//
// Two layers. `base` is what the server said. A change (Op) lies on top of it until a round of /changes that began
// after the server had taken it has been folded in: so nothing comes back for a moment that was just deleted, and
// nothing is lost when the network is. Changes are sent in the order they were made, one request at a time, whatever
// has gathered together; while there is no network they wait, and are sent once.

import { type Signal, batch, computed, signal } from "@preact/signals-core";
import { type Jmap, MethodError, NetworkError, SessionEnded } from "./jmap";
import type { ChangesResponse, Email, EmailSubmission, GetResponse, Id, Identity, Mailbox, Obj, Patch, Quota, SetError, SetResponse,
	Thread } from "./types";

export const LIST_PROPERTIES = ["id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "from", "to", "subject",
	"hasAttachment", "preview"];
/** Of the others in a conversation a row shows less: they are most of the list's octets. */
export const OTHERS_PROPERTIES = ["id", "threadId", "mailboxIds", "keywords", "receivedAt", "from", "subject", "hasAttachment"];
const KEPT_MAX = 6000; // Emails; the least recently looked at go
const RETRY_MS = [1000, 2000, 5000, 10000, 30000];

export interface Change {
	update?: Record<Id, Patch>;
	destroy?: Id[];
}
export interface ChangeResult {
	failed: Record<Id, SetError>;
}
interface Op {
	number: number;
	type: string;
	update: Map<Id, Patch>;
	destroy: Set<Id>;
	state: "waiting" | "sent" | "acked";
	args: Record<string, unknown>;
	done(r: ChangeResult): void;
	fail(e: unknown): void;
}
/** What is kept of changes that were not sent yet, for the next start of the page. */
export interface KeptChange { /** None: one's own. */ accountId?: Id; type: string; update: Record<Id, Patch>; destroy: Id[]; args: Record<string, unknown> }

/** An object with a patch applied (RFC 8620 section 5.3). */
export function applyPatch<T extends object>(object: T, patch: Patch): T {
	const out = { ...object } as Record<string, unknown>;
	for (const [path, value] of Object.entries(patch)) {
		const names = path.split("/").map((n) => n.replace(/~1/g, "/").replace(/~0/g, "~"));
		let at = out;
		for (const name of names.slice(0, -1)) {
			at[name] = { ...(at[name] as object | undefined) };
			at = at[name] as Record<string, unknown>;
		}
		const last = names[names.length - 1]!;
		if (value === null && names.length > 1)
			delete at[last];
		else
			at[last] = value;
	}
	return out as T;
}

export class Table<T extends Obj> {
	state: string | null = null;
	/** Moves with every change of any object of it. */
	readonly version = signal(0);
	readonly #base = new Map<Id, T>();
	readonly #views = new Map<Id, Signal<T | undefined>>();
	readonly #missing = new Set<Id>();
	#loading = new Map<Id, Promise<void>>();

	constructor(readonly store: Store, readonly type: string, readonly options: {
		/** All of them are kept, so new ones are fetched too. */
		isWhole?: boolean;
		properties?: string[];
		/** An object without this property is known in part: good enough to look at, fetched when it is asked for. */
		inFull?: string;
		capability?: "mail" | "submission" | "quota" | "trace" | "page";
	} = {}) {}

	/** Reactive. Undefined: not there, or not fetched yet. */
	get(id: Id): T | undefined {
		let s = this.#views.get(id);
		if (!s) {
			s = signal(this.#make(id));
			this.#views.set(id, s);
		}
		return s.value;
	}
	/** Without subscribing. */
	peek(id: Id): T | undefined {
		return this.#views.get(id)?.peek() ?? this.#make(id);
	}
	/** As the server has it, without what waits to be sent. */
	server(id: Id): T | undefined {
		return this.#base.get(id);
	}
	/** All of it is known that is asked for by default. */
	isFull(id: Id): boolean {
		const o = this.#base.get(id);
		return !!o && (this.options.inFull === undefined || this.options.inFull in o);
	}
	/** It was asked for and is not there. */
	isGone(id: Id): boolean {
		return this.#missing.has(id);
	}
	readonly all = computed<T[]>(() => {
		void this.version.value;
		return [...this.#base.keys()].map((id) => this.#make(id)).filter((o): o is T => o !== undefined);
	});

	#make(id: Id): T | undefined {
		let object = this.#base.get(id);
		for (const op of this.store.opsOf(this.type, id)) {
			if (!object || op.destroy.has(id))
				return undefined;
			const patch = op.update.get(id);
			if (patch)
				object = applyPatch(object, patch);
		}
		return object;
	}
	/** What is shown of these may have changed. */
	renew(ids: Iterable<Id>) {
		batch(() => {
			for (const id of ids) {
				const s = this.#views.get(id);
				if (s)
					s.value = this.#make(id);
			}
			this.version.value++;
		});
	}

	/** Take in what a /get answered. */
	put(answer: GetResponse<T>, isComplete = false) {
		const ids = answer.list.map((o) => o.id);
		for (const o of answer.list) {
			const had = this.#base.get(o.id);
			this.#base.delete(o.id); // to the end: the youngest
			this.#base.set(o.id, had && !isComplete ? { ...had, ...o } : o);
			this.#missing.delete(o.id);
		}
		for (const id of answer.notFound ?? []) {
			this.#missing.add(id);
			if (this.#base.delete(id))
				ids.push(id);
		}
		if (this.state === null)
			this.state = answer.state;
		this.renew(ids);
		if (answer.state !== this.state)
			void this.store.sync([this.type]);
		this.#forgetSome();
	}
	drop(ids: Id[]) {
		for (const id of ids) {
			this.#base.delete(id);
			this.#missing.add(id);
		}
		this.renew(ids);
	}
	known(ids: Id[]): Id[] {
		return ids.filter((id) => this.#base.has(id));
	}
	knownIds(): Id[] {
		return [...this.#base.keys()];
	}
	clear() {
		const ids = [...this.#base.keys()];
		this.#base.clear();
		this.state = null;
		this.renew(ids);
	}
	#forgetSome() {
		if (this.options.isWhole || this.#base.size <= KEPT_MAX)
			return;
		for (const id of [...this.#base.keys()].slice(0, KEPT_MAX / 3)) {
			if (this.store.opsOf(this.type, id).length || this.store.isInUse(this.type, id))
				continue;
			this.#base.delete(id);
			this.#views.delete(id);
		}
	}

	/** Fetch what is not here yet. */
	async load(ids: Id[]): Promise<void> {
		const wanted = [...new Set(ids)].filter((id) => !this.isFull(id) && !this.#missing.has(id));
		const fresh = wanted.filter((id) => !this.#loading.has(id));
		const max = this.store.jmap.limit("maxObjectsInGet", 500);
		for (let i = 0; i < fresh.length; i += max) {
			const slice = fresh.slice(i, i + max);
			const done = this.fetch(slice).finally(() => slice.forEach((id) => this.#loading.delete(id)));
			slice.forEach((id) => this.#loading.set(id, done));
		}
		await Promise.all(new Set(wanted.map((id) => this.#loading.get(id))));
	}
	async fetch(ids: Id[] | null): Promise<void> {
		const args: Record<string, unknown> = { ids };
		if (this.options.properties)
			args.properties = this.options.properties;
		this.put(await this.store.jmap.call<GetResponse<T>>(this.type + "/get", this.store.args(args)), !this.options.properties);
	}
	/** All of them, once. */
	async loadAll(): Promise<void> {
		if (this.state === null)
			await this.fetch(null);
	}
}

export class Store {
	readonly mailbox = new Table<Mailbox>(this, "Mailbox", { isWhole: true, capability: "mail" });
	readonly email = new Table<Email>(this, "Email", { properties: LIST_PROPERTIES, inFull: "preview", capability: "mail" });
	readonly thread = new Table<Thread>(this, "Thread", { capability: "mail" });
	readonly identity = new Table<Identity>(this, "Identity", { isWhole: true, capability: "submission" });
	readonly submission = new Table<EmailSubmission>(this, "EmailSubmission", { capability: "submission" });
	readonly quota = new Table<Quota>(this, "Quota", { isWhole: true, capability: "quota" });
	readonly tables: Record<string, Table<Obj>> = Object.fromEntries([this.mailbox, this.email, this.thread, this.identity, this.submission,
		this.quota].map((t) => [t.type, t as unknown as Table<Obj>]));
	/** Changes that the server has not taken yet. */
	readonly pendingCount = signal(0);
	/** A change was refused (not: the network failed). */
	onRefused: (type: string, errors: Record<Id, SetError>) => void = () => {};
	/** The network failed, or works again. */
	onNetwork: (isUp: boolean) => void = () => {};
	/** Called with what waits, whenever that changes. */
	onPending: (kept: KeptChange[]) => void = () => {};
	/** Windows and others that follow a state: told together with the round that fetches changes. */
	readonly followers = new Set<(types: string[]) => Promise<unknown> | void>();
	/** Who shows what: those are not forgotten. */
	readonly users = new Set<(type: string, id: Id) => boolean>();

	#ops: Op[] = [];
	#byId = new Map<string, Op[]>();
	#count = 0;
	#isSending = false;
	#retry = 0;
	#notBefore = 0;
	#retryTimer: ReturnType<typeof setTimeout> | undefined;
	#syncing: Promise<void> | null = null;
	#wanted = new Set<string>();

	constructor(readonly jmap: Jmap, readonly accountId?: Id) {}

	args(a: Record<string, unknown>): Record<string, unknown> {
		return this.accountId ? { accountId: this.accountId, ...a } : a;
	}
	opsOf(type: string, id: Id): Op[] {
		return this.#byId.get(type + id) ?? NONE;
	}
	isInUse(type: string, id: Id): boolean {
		for (const u of this.users)
			if (u(type, id))
				return true;
		return false;
	}

	// ---- changing ----

	/** Shown at once; the promise tells what became of it. Never rejects for want of a network: it waits. */
	change(type: string, change: Change, args: Record<string, unknown> = {}): Promise<ChangeResult> {
		return new Promise((done, fail) => {
			const op: Op = { number: this.#count++, type, update: new Map(Object.entries(change.update ?? {})),
				destroy: new Set(change.destroy ?? []), state: "waiting", args, done, fail };
			if (!op.update.size && !op.destroy.size)
				return done({ failed: {} });
			this.#add(op);
			void this.flush();
		});
	}
	#idsOf(op: Op): Id[] {
		return [...op.update.keys(), ...op.destroy];
	}
	#add(op: Op) {
		this.#ops.push(op);
		for (const id of this.#idsOf(op)) {
			const list = this.#byId.get(op.type + id);
			if (list)
				list.push(op);
			else
				this.#byId.set(op.type + id, [op]);
		}
		this.tables[op.type]?.renew(this.#idsOf(op));
		this.#told();
	}
	#remove(ops: Op[]) {
		const gone = new Set(ops);
		this.#ops = this.#ops.filter((o) => !gone.has(o));
		batch(() => {
			for (const op of ops) {
				for (const id of this.#idsOf(op)) {
					const left = (this.#byId.get(op.type + id) ?? []).filter((o) => o !== op);
					if (left.length)
						this.#byId.set(op.type + id, left);
					else
						this.#byId.delete(op.type + id);
				}
				this.tables[op.type]?.renew(this.#idsOf(op));
			}
		});
		this.#told();
	}
	#told() {
		const left = this.#ops.filter((o) => o.state !== "acked");
		this.pendingCount.value = left.length;
		this.onPending(left.map((o) => ({ ...(this.accountId ? { accountId: this.accountId } : {}), type: o.type,
			update: Object.fromEntries(o.update), destroy: [...o.destroy], args: o.args })));
	}
	/** Nobody asks for it any more: what waits is forgotten. */
	close() {
		clearTimeout(this.#retryTimer);
		this.#remove(this.#ops);
	}
	/** What an earlier life of the page could not send. */
	restore(kept: KeptChange[]) {
		for (const k of kept)
			void this.change(k.type, k, k.args).catch(() => {});
	}

	/** Send what waits. Also called when the network is back. */
	async flush(): Promise<void> {
		clearTimeout(this.#retryTimer);
		if (this.#isSending)
			return;
		this.#isSending = true;
		try {
			let ops: Op[];
			while ((ops = this.#ops.filter((o) => o.state === "waiting")).length) {
				ops.forEach((o) => { o.state = "sent"; });
				const took = await Promise.all(ops.map((o) => this.#sendOp(o)));
				if (took.some((t) => !t)) {
					this.#later();
					return;
				}
				this.#retry = 0;
				void this.sync([...new Set(ops.map((o) => o.type)), "Mailbox", "Thread"]);
			}
		} finally {
			this.#isSending = false;
		}
	}
	#later() {
		this.onNetwork(false);
		this.#retryTimer = setTimeout(() => void this.flush(), Math.max(RETRY_MS[Math.min(this.#retry++, RETRY_MS.length - 1)]!, this.#notBefore - Date.now()));
		(this.#retryTimer as { unref?(): void }).unref?.();
	}
	/** False: the network failed, it waits again. */
	async #sendOp(op: Op): Promise<boolean> {
		const max = this.jmap.limit("maxObjectsInSet", 500);
		const updates = [...op.update], destroys = [...op.destroy];
		const failed: Record<Id, SetError> = {};
		const calls = [];
		for (let i = 0; i < Math.max(1, updates.length + destroys.length); i += max) {
			const update = Object.fromEntries(updates.slice(i, i + max));
			const destroy = destroys.slice(Math.max(0, i - updates.length), Math.max(0, i + max - updates.length));
			calls.push(this.jmap.call<SetResponse>(op.type + "/set", this.args({ ...op.args,
				...(Object.keys(update).length ? { update } : {}), ...(destroy.length ? { destroy } : {}) })));
		}
		const answers = await Promise.allSettled(calls);
		for (const a of answers) {
			if (a.status === "fulfilled") {
				Object.assign(failed, a.value.notUpdated, a.value.notDestroyed);
				continue;
			}
			if (a.reason instanceof NetworkError || a.reason instanceof SessionEnded
				|| (a.reason instanceof MethodError && a.reason.type === "serverUnavailable")) {
				this.#notBefore = Date.now() + (a.reason instanceof NetworkError ? a.reason.afterMs : 0);
				op.state = "waiting"; // patches say where to go, not how far: sent again they do the same
				this.#told();
				return false;
			}
			this.#remove([op]);
			this.onRefused(op.type, {});
			op.fail(a.reason);
			return true;
		}
		this.onNetwork(true);
		for (const id of Object.keys(failed)) {
			op.update.delete(id);
			op.destroy.delete(id);
			const left = this.opsOf(op.type, id).filter((o) => o !== op);
			if (left.length)
				this.#byId.set(op.type + id, left);
			else
				this.#byId.delete(op.type + id);
		}
		op.state = "acked";
		this.tables[op.type]?.renew(Object.keys(failed));
		this.#told();
		const real = Object.fromEntries(Object.entries(failed).filter(([, f]) => f.type !== "notFound"));
		if (Object.keys(real).length)
			this.onRefused(op.type, real);
		op.done({ failed });
		return true;
	}

	// ---- following ----

	/** States that are not ours any more (a StateChange, or a look by hand: no states). */
	stateChange(changed: Record<string, string>) {
		const types = Object.keys(changed).filter((type) => {
			const table = this.tables[type];
			return table ? table.state !== null && table.state !== changed[type] : true;
		});
		if (types.length)
			void this.sync(types);
	}
	/** Bring these up to date, and whoever follows them. One round at a time; what is asked meanwhile is the next. */
	sync(types: string[]): Promise<void> {
		types.forEach((t) => this.#wanted.add(t));
		this.#syncing ??= this.#rounds().finally(() => { this.#syncing = null; });
		return this.#syncing;
	}
	syncAll(): Promise<void> {
		return this.sync(Object.keys(this.tables));
	}
	async #rounds() {
		await Promise.resolve(); // what is asked in this turn comes along
		while (this.#wanted.size) {
			const types = [...this.#wanted];
			this.#wanted.clear();
			const acked = this.#ops.filter((o) => o.state === "acked");
			const done = await Promise.allSettled([
				...types.map((t) => this.tables[t]).filter((t): t is Table<Obj> => !!t && t.state !== null).map((t) => this.#syncTable(t)),
				...[...this.followers].map((f) => f(types)),
			]);
			const bad = done.find((d) => d.status === "rejected");
			if (bad) {
				if (bad.reason instanceof NetworkError)
					this.onNetwork(false);
				return; // the next StateChange or poll asks again
			}
			this.onNetwork(true);
			this.#remove(acked.filter((o) => types.includes(o.type) || !this.tables[o.type]));
		}
	}
	async #syncTable(table: Table<Obj>) {
		for (;;) {
			let changes: ChangesResponse;
			try {
				changes = await this.jmap.call<ChangesResponse>(table.type + "/changes", this.args({ sinceState: table.state }));
			} catch (e) {
				if (!(e instanceof MethodError) || e.type !== "cannotCalculateChanges")
					throw e;
				await this.#reload(table);
				return;
			}
			const wanted = table.options.isWhole ? [...changes.created, ...changes.updated] : table.known([...changes.created, ...changes.updated]);
			table.drop(changes.destroyed);
			table.state = changes.newState;
			const max = this.jmap.limit("maxObjectsInGet", 500);
			for (let i = 0; i < wanted.length; i += max)
				await table.fetch(wanted.slice(i, i + max));
			if (!changes.hasMoreChanges)
				return;
		}
	}
	async #reload(table: Table<Obj>) {
		const ids = table.knownIds();
		table.state = null;
		if (table.options.isWhole) {
			table.clear();
			await table.fetch(null);
			return;
		}
		const max = this.jmap.limit("maxObjectsInGet", 500);
		for (let i = 0; i < ids.length; i += max)
			await table.fetch(ids.slice(i, i + max));
	}
}
const NONE: Op[] = [];
