import assert from "node:assert/strict";
import { test } from "node:test";
import { type Contact, duplicates, importCards, mergeCards } from "../src/core/contacts";
import type { Jmap } from "../src/core/jmap";

const contact = (id: string, name: string, ...emails: string[]): Contact => ({ id, name, emails: emails.map((email) => ({ email, label: "" })), phones: [], org: "", note: "", isKept: true });

test("the same name or a shared address makes a duplicate, also through a third", () => {
	const list = [contact("1", "Ana", "ana@a"), contact("2", "A. Lima", "ANA@a", "lima@b"), contact("3", "Bob", "bob@b"), contact("4", "", "lima@b"), contact("5", "bob ", "x@y")];
	assert.deepEqual(duplicates(list).map((g) => g.map((c) => c.id).sort().join("")).sort(), ["124", "35"]);
	assert.deepEqual(duplicates([contact("1", "", "a@b"), contact("2", "", "c@d")]), []);
});

test("two groups that a later card joins become one", () => {
	const list = [contact("1", "", "a@a"), contact("2", "", "b@b"), contact("3", "", "a@a", "b@b"), contact("4", "", "b@b")];
	assert.deepEqual(duplicates(list).map((g) => g.map((c) => c.id).sort().join("")), ["1234"]);
});

test("merging keeps everything once", () => {
	const m = mergeCards([{ ...contact("1", "Ana", "a@a"), note: "x", phones: [{ number: "+1 2", label: "" }] },
		{ ...contact("2", "Ana Lima", "A@a", "b@b"), note: "y", phones: [{ number: "+12", label: "work" }], org: "Acme" }]);
	assert.deepEqual([m.name, m.emails.map((e) => e.email), m.phones.length, m.note, m.org], ["Ana", ["a@a", "b@b"], 1, "x\ny", "Acme"]);
});

test("cards are imported in pieces, and those that are there already are counted", async () => {
	const sizes: number[] = [], progress: number[] = [];
	const jmap = { call: async (_: string, args: { create: Record<string, { name: string }> }) => {
		const all = Object.entries(args.create);
		sizes.push(all.length);
		return { created: Object.fromEntries(all.filter(([, c]) => c.name !== "old").map(([k]) => [k, {}])),
			notCreated: Object.fromEntries(all.filter(([, c]) => c.name === "old").map(([k]) => [k, { type: "alreadyExists" }])) };
	} } as unknown as Jmap;
	const cards = Array.from({ length: 250 }, (_, i) => contact("", i % 100 === 0 ? "old" : "new", `${i}@x`));
	assert.deepEqual(await importCards(jmap, cards, (n) => progress.push(n)), { created: 247, known: 3, failed: 0 });
	assert.deepEqual([sizes, progress], [[100, 100, 50], [100, 200, 250]]);
});
