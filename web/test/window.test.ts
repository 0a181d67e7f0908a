import assert from "node:assert/strict";
import { test } from "node:test";
import { Jmap } from "../src/core/jmap";
import { Store } from "../src/core/store";
import { PAGE, QueryWindow, foldChanges } from "../src/core/window";
import { FakeServer, random, settle } from "./fake";

test("changes folded into a list with holes", () => {
	const at = (removed: string[], added: { id: string; index: number }[], total: number) => ({ oldQueryState: "1", newQueryState: "2", removed, added, total });
	assert.deepEqual(foldChanges(["a", "b", "c"], at(["b"], [{ id: "d", index: 0 }], 3)), ["d", "a", "c"]);
	assert.deepEqual(foldChanges(["a", undefined, "c"], at(["a"], [], 2)), [undefined, "c"]);
	// x stood in the hole, or nowhere: what is behind is not known any more
	assert.deepEqual(foldChanges(["a", undefined, "c"], at(["x"], [], 2)), ["a", undefined]);
	assert.deepEqual(foldChanges(["a", undefined, "c"], at(["x"], [{ id: "d", index: 1 }], 3)), ["a", "d", undefined]);
	// x never stood there, the totals say so: what is behind the hole stays where it is
	assert.deepEqual(foldChanges(["a", undefined, "c"], at(["x"], [{ id: "x", index: 0 }], 4)), ["x", "a", undefined, "c"]);
	assert.equal(foldChanges(["a"], at([], [{ id: "d", index: 5 }], 2)), null);
	assert.equal(foldChanges(["a"], at([], [], 7)), null);
});

for (const seed of [1, 2, 3, 4, 5, 6]) {
	test(`a random walk, against a naive list (${seed})`, async () => {
		const next = random(seed), server = new FakeServer();
		const n = (max: number) => Math.floor(next() * max);
		const jmap = new Jmap({ fetch: server.fetch });
		await jmap.start();
		const store = new Store(jmap);
		const collapseThreads = seed % 2 === 0;
		for (let i = 0; i < 4 * PAGE; i++)
			server.add({ threadId: "T" + n(150) });
		const win = new QueryWindow(store, { filter: { inMailbox: "F1" }, sort: [{ property: "receivedAt", isAscending: false }], collapseThreads,
			matches: (e) => !!e.mailboxIds.F1 });
		for (let step = 0; step < 60; step++) {
			for (let k = n(4); k >= 0; k--) {
				const ids = [...server.emails.keys()], id = ids[n(ids.length)]!;
				switch (n(6)) {
				case 0: case 1: server.add({ threadId: "T" + n(150) }); break;
				case 2: server.destroy(id); break;
				case 3: server.set(id, server.emails.get(id)!.mailboxIds.F1 ? { "mailboxIds/F1": null, "mailboxIds/F4": true } : { "mailboxIds/F4": null, "mailboxIds/F1": true }); break;
				case 4: server.set(id, { "keywords/$seen": true }); break;
				case 5: // ours
					if (store.email.peek(id))
						void store.change("Email", { update: { [id]: { "mailboxIds/F1": null, "mailboxIds/F6": true } } });
				}
			}
			if (n(3))
				win.ensure(n(5) * 40, n(5) * 40 + 30);
			if (n(2))
				store.stateChange({ Email: String(server.modseq), Thread: String(server.modseq) });
			await settle();
		}
		store.stateChange({ Email: String(server.modseq), Thread: String(server.modseq) });
		await settle();
		const want = server.list({ inMailbox: "F1" }, collapseThreads);
		win.ensure(0, want.length - 1);
		await settle();
		assert.equal(win.count.value, want.length);
		assert.deepEqual(want.map((_, i) => win.at(i)), want);
		win.close();
	});
}

test("what leaves is hidden at once, and the list is not read anew", async () => {
	const server = new FakeServer(), jmap = new Jmap({ fetch: server.fetch });
	await jmap.start();
	const store = new Store(jmap);
	for (let i = 0; i < 30; i++)
		server.add();
	const win = new QueryWindow(store, { filter: { inMailbox: "F1" }, sort: [{ property: "receivedAt", isAscending: false }], collapseThreads: true,
		matches: (e) => !!e.mailboxIds.F1 });
	win.ensure(0, 20);
	await settle();
	const second = win.at(1)!, first = win.at(0)!;
	void store.change("Email", { update: { [first]: { "mailboxIds/F1": null, "mailboxIds/F6": true } } });
	assert.equal(win.count.value, 29);
	assert.equal(win.at(0), second);
	assert.equal(win.indexOf(first), -1);
	await settle();
	assert.equal(win.count.value, 29);
	assert.equal(win.total, 29);
	assert.equal(server.calls.filter(([m]) => m === "Email/query").length, 1);
	win.close();
});

test("of the others in a conversation less is asked for, until they are looked at", async () => {
	const server = new FakeServer(), jmap = new Jmap({ fetch: server.fetch });
	await jmap.start();
	const store = new Store(jmap);
	const older = server.add({ threadId: "T1" }), newer = server.add({ threadId: "T1" });
	const win = new QueryWindow(store, { filter: { inMailbox: "F1" }, sort: [{ property: "receivedAt", isAscending: false }], collapseThreads: true,
		matches: (e) => !!e.mailboxIds.F1 });
	const before = server.requests;
	win.ensure(0, 10);
	await settle();
	assert.equal(server.requests, before + 1);
	assert.equal(store.email.peek(newer.id)!.preview, newer.preview);
	assert.equal(store.email.peek(older.id)!.subject, older.subject);
	assert.ok(!store.email.isFull(older.id) && store.email.isFull(newer.id));
	await store.email.load([older.id, newer.id]);
	assert.equal(store.email.peek(older.id)!.preview, older.preview);
	assert.equal(server.requests, before + 2);
	// a row of its own shows all of it, also when nobody asked before
	const fresh = new Store(jmap);
	const list = new QueryWindow(fresh, { filter: { inMailbox: "F1" }, sort: [{ property: "receivedAt", isAscending: false }], collapseThreads: true,
		matches: (e) => !!e.mailboxIds.F1 });
	list.ensure(0, 10);
	await settle();
	server.destroy(newer.id);
	await fresh.sync(["Email", "Thread"]);
	await settle();
	assert.equal(list.at(0), older.id);
	list.ensure(0, 10);
	await settle();
	assert.equal(fresh.email.peek(older.id)!.preview, older.preview);
	win.close();
	list.close();
});

test("a list far down is asked for where it is looked at", async () => {
	const server = new FakeServer(), jmap = new Jmap({ fetch: server.fetch });
	await jmap.start();
	const store = new Store(jmap);
	for (let i = 0; i < 1000; i++)
		server.add();
	const win = new QueryWindow(store, { filter: null, sort: [{ property: "receivedAt", isAscending: false }], collapseThreads: false });
	win.ensure(700, 720);
	await settle();
	win.ensure(700, 720);
	await settle();
	assert.equal(win.at(710), server.list(null, false)[710]);
	assert.equal(win.at(300), undefined);
	assert.ok(server.calls.filter(([m]) => m === "Email/query").every(([, a]) => a.limit <= 2 * PAGE));
	win.close();
});
