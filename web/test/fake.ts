// A small JMAP server in memory: enough of RFC 8620 and 8621 for the store, its windows, and the page to work against.
// It answers queryChanges out of a log of all lists that there ever were, so it cannot be wrong in the way an index can.

import type { Email, Filter, Id, Mailbox, QueryChangesResponse, Thread } from "../src/core/types";

type Args = Record<string, any>;
export class Refusal extends Error {
	constructor(readonly type: string) {
		super(type);
	}
}
const RIGHTS = { mayReadItems: true, mayAddItems: true, mayRemoveItems: true, maySetSeen: true, maySetKeywords: true, mayCreateChild: true, mayRename: true,
	mayDelete: true, maySubmit: true };

export class FakeServer {
	emails = new Map<Id, Email>();
	mailboxes = new Map<Id, Mailbox>();
	modseq = 1;
	log: { modseq: number; type: string; id: Id; kind: "created" | "updated" | "destroyed" }[] = [];
	#lists = new Map<string, Id[]>(); // query + state → what it was
	#queries = new Map<string, { filter: Filter | null; collapse: boolean; isAscending: boolean }>();
	calls: [string, Args][] = [];
	requests = 0;
	isDown = false;
	isLoggedOut = false;
	/** Answers are lost on the way although the server has worked. */
	losesAnswers = 0;
	settings: Args = {};
	#next = 1;

	constructor() {
		const roles = [["inbox", "Inbox"], ["drafts", "Drafts"], ["sent", "Sent"], ["archive", "Archive"], ["junk", "Junk"], ["trash", "Trash"]] as const;
		roles.forEach(([role, name], i) => this.addMailbox({ name, role, sortOrder: i }));
	}
	addMailbox(m: Partial<Mailbox>): Mailbox {
		const full: Mailbox = { id: "F" + (this.mailboxes.size + 1), name: "New", parentId: null, role: null, sortOrder: 10, totalEmails: 0, unreadEmails: 0, totalThreads: 0,
			unreadThreads: 0, myRights: RIGHTS, isSubscribed: true, ...m };
		this.mailboxes.set(full.id, full);
		this.#note("Mailbox", full.id, "created");
		return full;
	}
	byRole(role: string): Mailbox {
		return [...this.mailboxes.values()].find((m) => m.role === role)!;
	}
	#note(type: string, id: Id, kind: "created" | "updated" | "destroyed") {
		this.log.push({ modseq: ++this.modseq, type, id, kind });
	}
	add(e: Partial<Email> = {}): Email {
		const id = "M" + this.#next++;
		const full: Email = { id, blobId: "G" + id, threadId: e.threadId ?? "T" + id, mailboxIds: { [this.byRole("inbox").id]: true }, keywords: {}, size: 1000,
			receivedAt: new Date(Date.UTC(2026, 0, 1) + this.#next * 1000).toISOString(), from: [{ name: "Ana Lima", email: "ana@example.org" }],
			to: [{ name: null, email: "alice@yizhan.test" }], subject: "Letter " + id, hasAttachment: false, preview: "Good morning.", ...e };
		this.emails.set(id, full);
		this.#note("Email", id, "created");
		this.#note("Thread", full.threadId, "updated");
		this.#count();
		return full;
	}
	set(id: Id, patch: Args) {
		const e = this.emails.get(id);
		if (!e)
			return false;
		const out = structuredClone(e) as any;
		for (const [path, v] of Object.entries(patch)) {
			const [a, b] = path.split("/") as [string, string?];
			if (b === undefined)
				out[a] = v;
			else if (v === null)
				delete out[a][b];
			else
				out[a][b] = v;
		}
		this.emails.set(id, out);
		this.#note("Email", id, "updated");
		this.#count();
		return true;
	}
	destroy(id: Id) {
		const e = this.emails.get(id);
		if (!e)
			return false;
		this.emails.delete(id);
		this.#note("Email", id, "destroyed");
		this.#note("Thread", e.threadId, "updated");
		this.#count();
		return true;
	}
	#count() {
		for (const m of this.mailboxes.values()) {
			const all = [...this.emails.values()].filter((e) => e.mailboxIds[m.id]);
			const unread = all.filter((e) => !e.keywords.$seen).length;
			if (all.length !== m.totalEmails || unread !== m.unreadEmails) {
				this.mailboxes.set(m.id, { ...m, totalEmails: all.length, unreadEmails: unread });
				this.#note("Mailbox", m.id, "updated");
			}
		}
	}

	// ---- queries ----

	#fits(e: Email, f: Filter | null): boolean {
		if (!f)
			return true;
		if ("operator" in f) {
			const of = f.conditions as Filter[];
			return f.operator === "AND" ? of.every((c) => this.#fits(e, c)) : f.operator === "OR" ? of.some((c) => this.#fits(e, c)) : !of.some((c) => this.#fits(e, c));
		}
		return Object.entries(f).every(([k, v]) => {
			switch (k) {
			case "inMailbox": return !!e.mailboxIds[v as Id];
			case "inMailboxOtherThan": return Object.keys(e.mailboxIds).some((m) => !(v as Id[]).includes(m));
			case "hasKeyword": return !!e.keywords[v as string];
			case "notKeyword": return !e.keywords[v as string];
			case "hasAttachment": return e.hasAttachment === v;
			case "text": return JSON.stringify([e.subject, e.from, e.preview]).toLowerCase().includes(String(v).toLowerCase().replace(/"/g, ""));
			case "subject": return (e.subject ?? "").toLowerCase().includes(String(v).toLowerCase());
			case "from": return JSON.stringify(e.from).toLowerCase().includes(String(v).toLowerCase());
			case "minSize": return e.size >= (v as number);
			}
			return true;
		});
	}
	list(filter: Filter | null, collapse: boolean, isAscending = false): Id[] {
		const sign = isAscending ? 1 : -1;
		const all = [...this.emails.values()].filter((e) => this.#fits(e, filter))
			.sort((a, b) => sign * (a.receivedAt.localeCompare(b.receivedAt) || a.id.localeCompare(b.id, "en", { numeric: true })));
		const seen = new Set<Id>();
		return all.filter((e) => !collapse || (!seen.has(e.threadId) && seen.add(e.threadId))).map((e) => e.id);
	}
	#query(a: Args): { key: string; ids: Id[] } {
		const q = { filter: a.filter ?? null, collapse: !!a.collapseThreads, isAscending: !!a.sort?.[0]?.isAscending };
		const key = JSON.stringify(q);
		this.#queries.set(key, q);
		const ids = this.list(q.filter, q.collapse, q.isAscending);
		this.#lists.set(`${key} ${this.modseq}`, ids);
		return { key, ids };
	}
	#queryChanges(a: Args): QueryChangesResponse {
		const { key, ids } = this.#query(a);
		const old = this.#lists.get(`${key} ${a.sinceQueryState}`);
		if (!old)
			throw new Refusal("cannotCalculateChanges");
		// what moved is removed and added again; the rest keeps its order
		const now = new Set(ids), kept = old.filter((id) => now.has(id));
		const at = new Map(ids.map((id, i) => [id, i]));
		const moved = new Set<Id>();
		let last = -1;
		for (const id of kept) {
			if (at.get(id)! < last)
				moved.add(id);
			else
				last = at.get(id)!;
		}
		const was = new Set(old);
		const removed = old.filter((id) => !now.has(id) || moved.has(id));
		const added = ids.map((id, index) => ({ id, index })).filter(({ id }) => !was.has(id) || moved.has(id));
		if (a.maxChanges && removed.length + added.length > a.maxChanges)
			throw new Refusal("tooManyChanges");
		return { oldQueryState: a.sinceQueryState, newQueryState: String(this.modseq), total: ids.length, removed, added };
	}

	#changes(type: string, a: Args) {
		const since = Number(a.sinceState);
		const out = { oldState: a.sinceState, newState: String(this.modseq), hasMoreChanges: false, created: [] as Id[], updated: [] as Id[], destroyed: [] as Id[] };
		const kinds = new Map<Id, string>();
		for (const l of this.log.filter((x) => x.type === type && x.modseq > since)) {
			const had = kinds.get(l.id);
			if (l.kind === "destroyed" && had === "created")
				kinds.delete(l.id);
			else if (!(had === "created" && l.kind === "updated"))
				kinds.set(l.id, l.kind);
		}
		for (const [id, kind] of kinds)
			out[kind as "created"].push(id);
		return out;
	}
	thread(id: Id): Thread | null {
		const of = [...this.emails.values()].filter((e) => e.threadId === id).sort((a, b) => a.receivedAt.localeCompare(b.receivedAt));
		return of.length ? { id, emailIds: of.map((e) => e.id) } : null;
	}
	#get(type: string, a: Args) {
		const find = (id: Id) => type === "Email" ? this.emails.get(id) : type === "Mailbox" ? this.mailboxes.get(id) : type === "Thread" ? this.thread(id) : null;
		const ids: Id[] = a.ids ?? (type === "Mailbox" ? [...this.mailboxes.keys()] : []);
		if (ids.length > 500)
			throw new Refusal("requestTooLarge");
		const list = [...new Set(ids)].map(find).filter((o) => o)
			.map((o) => Object.fromEntries(Object.entries(structuredClone(o)!).filter(([name]) => !a.properties || a.properties.includes(name))));
		return { state: String(this.modseq), list, notFound: ids.filter((id) => !find(id)) };
	}

	// ---- requests ----

	run(method: string, a: Args): Args {
		this.calls.push([method, a]);
		const [type, verb] = method.split("/") as [string, string];
		if (method === "Core/echo")
			return a;
		if (method === "Email/query") {
			const { ids } = this.#query(a);
			return { queryState: String(this.modseq), canCalculateChanges: true, position: a.position ?? 0, total: ids.length, ids: ids.slice(a.position ?? 0, (a.position ?? 0) + (a.limit ?? 50)) };
		}
		if (method === "Email/queryChanges")
			return this.#queryChanges(a);
		if (type === "WebSettings") {
			if (verb === "set")
				Object.assign(this.settings, a.update.singleton);
			return verb === "get" ? { list: [{ id: "singleton", ...this.settings }], state: "1", notFound: [] } : { updated: { singleton: null }, newState: "2" };
		}
		if (verb === "get")
			return this.#get(type, a);
		if (verb === "changes")
			return this.#changes(type, a);
		if (method === "Email/set") {
			const oldState = String(this.modseq), notUpdated: Args = {}, notDestroyed: Args = {}, updated: Args = {}, destroyed: Id[] = [];
			for (const [id, patch] of Object.entries(a.update ?? {}))
				this.set(id, patch as Args) ? updated[id] = null : notUpdated[id] = { type: "notFound" };
			for (const id of a.destroy ?? [])
				this.destroy(id) ? destroyed.push(id) : notDestroyed[id] = { type: "notFound" };
			return { oldState, newState: String(this.modseq), updated, destroyed, notUpdated, notDestroyed };
		}
		if (method === "Mailbox/set") {
			const created: Args = {};
			for (const [k, m] of Object.entries(a.create ?? {}))
				created[k] = { id: this.addMailbox(m as Args).id };
			for (const [id, p] of Object.entries(a.update ?? {})) {
				this.mailboxes.set(id, { ...this.mailboxes.get(id)!, ...p as Args });
				this.#note("Mailbox", id, "updated");
			}
			for (const id of a.destroy ?? []) {
				this.mailboxes.delete(id);
				this.#note("Mailbox", id, "destroyed");
			}
			return { created, updated: {}, destroyed: a.destroy ?? [], newState: String(this.modseq) };
		}
		throw new Refusal("unknownMethod");
	}
	request(body: { methodCalls: [string, Args, string][] }) {
		this.requests++;
		const out: [string, Args, string][] = [];
		for (const [method, given, id] of body.methodCalls) {
			const args: Args = {};
			try {
				for (const [k, v] of Object.entries(given)) {
					if (!k.startsWith("#")) {
						args[k] = v;
						continue;
					}
					const from = out.find((o) => o[2] === v.resultOf && o[0] === v.name);
					if (!from)
						throw new Refusal("invalidResultReference");
					args[k.slice(1)] = pick(from[1], v.path.split("/").slice(1));
				}
				out.push([method, this.run(method, args), id]);
			} catch (e) {
				if (!(e instanceof Refusal))
					throw e;
				out.push(["error", { type: e.type }, id]);
			}
		}
		return { methodResponses: out, sessionState: "s" };
	}
	readonly session = {
		capabilities: { "urn:ietf:params:jmap:core": { maxCallsInRequest: 32, maxObjectsInGet: 500, maxObjectsInSet: 500 }, "urn:ietf:params:jmap:mail": {}, "https://yizhan.dev/jmap/page": {} },
		accounts: { A1: { name: "alice@yizhan.test", isPersonal: true, isReadOnly: false, accountCapabilities: {} } }, primaryAccounts: { "urn:ietf:params:jmap:mail": "A1" },
		username: "alice@yizhan.test", apiUrl: "/jmap/api", downloadUrl: "/d/{accountId}/{blobId}/{name}?type={type}", uploadUrl: "/u/{accountId}/", eventSourceUrl: "/jmap/events", state: "s",
	};
	readonly fetch = (async (url: string, init: RequestInit = {}) => {
		await Promise.resolve();
		if (this.isDown)
			throw new TypeError("network");
		if (this.isLoggedOut)
			return new Response("{}", { status: 401 });
		if (url === "/jmap/session")
			return Response.json(this.session);
		const answer = this.request(JSON.parse(String(init.body)));
		if (this.losesAnswers > 0) {
			this.losesAnswers--;
			throw new TypeError("network");
		}
		return Response.json(answer);
	}) as unknown as typeof fetch;
}
function pick(v: any, path: string[]): any {
	if (!path.length)
		return v;
	const [name, ...rest] = path as [string, ...string[]];
	return name === "*" ? (v as any[]).flatMap((x) => pick(x, rest)) : pick(v[name], rest);
}
/** Until nothing is left to do. */
export async function settle(): Promise<void> {
	for (let i = 0; i < 40; i++)
		await new Promise((done) => setImmediate(done));
}
export function random(seed: number): () => number {
	let s = seed;
	return () => {
		s = (s * 1664525 + 1013904223) >>> 0;
		return s / 2 ** 32;
	};
}
