// From one account into another (Email/copy, RFC 8621 section 4.7): the originals go only when their copies are
// there, and only out of the folder that they were taken from.

import type { Store } from "./store";
import type { Email, Id, Patch, SetError, SetResponse } from "./types";

export interface Across {
	from: Store;
	to: Store;
	/** Into this folder of `to`. */
	mailboxId: Id;
	/** Out of this folder of `from`; none: out of all of them. */
	outOf?: Id;
	isMove: boolean;
}
export interface Carried {
	/** Id of the original → of its copy. */
	ids: Map<Id, Id>;
	failed: Record<Id, SetError>;
}
const AT_ONCE = 50; // the server reads each letter's octets

export async function carry(a: Across, ids: Id[], signal?: AbortSignal): Promise<Carried> {
	const done: Carried = { ids: new Map(), failed: {} };
	for (let i = 0; i < ids.length && !signal?.aborted; i += AT_ONCE)
		await carrySome(a, ids.slice(i, i + AT_ONCE), done);
	void a.to.sync(["Email", "Mailbox", "Thread"]);
	return done;
}

async function carrySome(a: Across, ids: Id[], done: Carried): Promise<void> {
	const create = Object.fromEntries(ids.map((id) => [id, { id, mailboxIds: { [a.mailboxId]: true } }]));
	const copied = await a.to.jmap.call<SetResponse>("Email/copy", { fromAccountId: a.from.accountId ?? a.from.jmap.accountId,
		accountId: a.to.accountId ?? a.to.jmap.accountId, create });
	// one that is there already lies where it lies: that is what was wanted
	const there = Object.entries(copied.notCreated ?? {}).filter(([, f]) => f.type === "alreadyExists" && f.existingId);
	const made = [...Object.entries(copied.created ?? {}).map(([id, o]) => [id, o.id] as const), ...there.map(([id, f]) => [id, f.existingId!] as const)];
	for (const [id, f] of Object.entries(copied.notCreated ?? {}))
		if (!there.some(([t]) => t === id))
			done.failed[id] = f;
	for (const [id, copy] of made)
		done.ids.set(id, copy);
	if (!a.isMove || !made.length)
		return;
	const update: Record<Id, Patch> = {}, destroy: Id[] = [];
	const unknown = made.map(([id]) => id).filter((id) => !a.from.email.peek(id));
	const places = new Map<Id, Email["mailboxIds"]>();
	if (a.outOf && unknown.length) {
		const got = await a.from.jmap.call<{ list: Email[] }>("Email/get", a.from.args({ ids: unknown, properties: ["mailboxIds"] }));
		got.list.forEach((e) => places.set(e.id, e.mailboxIds));
	}
	for (const [id] of made) {
		const where = a.from.email.peek(id)?.mailboxIds ?? places.get(id) ?? {};
		if (a.outOf && Object.keys(where).some((m) => m !== a.outOf))
			update[id] = { [`mailboxIds/${a.outOf}`]: null };
		else
			destroy.push(id);
	}
	const { failed } = await a.from.change("Email", { update, destroy });
	Object.assign(done.failed, failed);
}
