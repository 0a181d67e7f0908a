import assert from "node:assert/strict";
import { test } from "node:test";
import { Jmap } from "../src/core/jmap";
import { Mail } from "../src/core/mail";
import { Store, applyPatch } from "../src/core/store";
import { UndoStack } from "../src/core/undo";
import { FakeServer, settle } from "./fake";

async function make() {
	const server = new FakeServer();
	const jmap = new Jmap({ fetch: server.fetch });
	await jmap.start();
	const store = new Store(jmap);
	await store.mailbox.loadAll();
	return { server, jmap, store, undo: new UndoStack() };
}

test("patches go into objects, and take out of them", () => {
	const e = { id: "1", keywords: { a: true, b: true }, mailboxIds: { F1: true } };
	assert.deepEqual(applyPatch(e, { "keywords/a": null, "keywords/c": true, "mailboxIds/F~1x": true, mailboxIds: { F2: true } }),
		{ id: "1", keywords: { b: true, c: true }, mailboxIds: { F2: true } });
	assert.deepEqual(e.keywords, { a: true, b: true });
});

test("a change shows at once and stays through everything that is older", async () => {
	const { server, store } = await make();
	const { id } = server.add();
	await store.email.load([id]);
	const done = store.change("Email", { update: { [id]: { "keywords/$seen": true } } });
	assert.equal(store.email.peek(id)!.keywords.$seen, true);
	store.email.put({ accountId: "A1", state: store.email.state!, list: [{ ...server.emails.get(id)!, keywords: {} }], notFound: [] });
	assert.equal(store.email.peek(id)!.keywords.$seen, true);
	assert.deepEqual(await done, { failed: {} });
	await settle();
	assert.equal(store.email.server(id)!.keywords.$seen, true);
	assert.equal(store.pendingCount.value, 0);
	assert.deepEqual(store.opsOf("Email", id), []);
	assert.equal(store.mailbox.peek("F1")!.unreadEmails, 0);
});

test("what was refused goes back", async () => {
	const { server, store } = await make();
	const { id } = server.add();
	await store.email.load([id]);
	server.emails.delete(id); // gone without a word
	const r = await store.change("Email", { update: { [id]: { "keywords/$seen": true } } });
	assert.deepEqual(Object.keys(r.failed), [id]);
	assert.equal(store.email.peek(id)?.keywords.$seen, undefined);
});

test("without a network changes wait, in their order, and are sent once", async () => {
	const { server, store } = await make();
	const { id } = server.add();
	await store.email.load([id]);
	server.isDown = true;
	const kept: number[] = [];
	store.onPending = (k) => kept.push(k.length);
	void store.change("Email", { update: { [id]: { "keywords/$seen": true } } });
	void store.change("Email", { update: { [id]: { "keywords/$seen": null, "keywords/x": true } } });
	await settle();
	assert.equal(store.pendingCount.value, 2);
	assert.equal(kept[kept.length - 1], 2);
	server.isDown = false;
	await store.flush();
	await settle();
	assert.deepEqual(server.emails.get(id)!.keywords, { x: true });
	assert.equal(server.calls.filter(([m]) => m === "Email/set").length, 2);
	assert.equal(store.pendingCount.value, 0);
	await store.flush();
	await settle();
	assert.equal(server.calls.filter(([m]) => m === "Email/set").length, 2);
});

test("an answer that was lost leads to the same state", async () => {
	const { server, store } = await make();
	const { id } = server.add();
	await store.email.load([id]);
	server.losesAnswers = 1;
	void store.change("Email", { update: { [id]: { "mailboxIds/F4": true, "mailboxIds/F1": null } } });
	await settle();
	await store.flush();
	await settle();
	assert.deepEqual(server.emails.get(id)!.mailboxIds, { F4: true });
	assert.deepEqual(store.email.peek(id)!.mailboxIds, { F4: true });
});

test("twenty deletions one after another: none comes back for a moment", async () => {
	const { server, store, undo } = await make();
	const mail = new Mail(store, undo);
	const all = Array.from({ length: 20 }, () => server.add());
	await store.email.load(all.map((e) => e.id));
	const gone = new Set<string>();
	let back = 0;
	store.email.version.subscribe(() => {
		for (const id of gone)
			back += store.email.peek(id)?.mailboxIds.F1 ? 1 : 0;
	});
	for (const e of all) {
		gone.add(e.id);
		mail.trash([store.email.peek(e.id)!], "F1");
		await new Promise((d) => setImmediate(d));
	}
	await settle();
	assert.equal(back, 0);
	assert.equal([...server.emails.values()].filter((e) => e.mailboxIds.F1).length, 0);
});

test("each action has its way back", async () => {
	const { server, store, undo } = await make();
	const mail = new Mail(store, undo);
	const { id } = server.add({ keywords: { $flagged: true } });
	await store.email.load([id]);
	const before = structuredClone(store.email.peek(id));
	mail.archive([store.email.peek(id)!], "F1");
	mail.star([store.email.peek(id)!], false);
	mail.markRead([store.email.peek(id)!], true);
	await settle();
	assert.deepEqual(server.emails.get(id)!.mailboxIds, { F4: true });
	while (undo.undo())
		await settle();
	assert.deepEqual(store.email.peek(id), before);
	assert.deepEqual(server.emails.get(id)!.keywords, { $flagged: true });
	assert.deepEqual(server.emails.get(id)!.mailboxIds, { F1: true });
});

test("states that others moved are caught up with", async () => {
	const { server, store } = await make();
	const a = server.add(), b = server.add();
	await store.email.load([a.id, b.id]);
	server.set(a.id, { "keywords/$seen": true });
	server.destroy(b.id);
	store.stateChange({ Email: String(server.modseq), Mailbox: String(server.modseq) });
	await settle();
	assert.equal(store.email.peek(a.id)!.keywords.$seen, true);
	assert.equal(store.email.peek(b.id), undefined);
	assert.equal(store.mailbox.peek("F1")!.totalEmails, 1);
});
