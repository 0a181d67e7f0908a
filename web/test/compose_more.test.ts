import assert from "node:assert/strict";
import { test } from "node:test";
import { IME_AFTER_MS, ImeGuard } from "../src/core/compose_ime";
import { LOCAL_LIFE_MS, LOCAL_PREFIX, dropLocal, keepLocal, orphans, type Keeper, type LocalCopy } from "../src/core/compose_local";
import { pickProblem, pickedTime, scheduleChoices, undoSeconds } from "../src/core/compose_schedule";
import { emptyLetter } from "../src/core/compose_types";
import { formatCards, parseCards } from "../src/core/vcard";

test("keys of an input method are its own, also just after it ends", () => {
	let now = 0;
	const g = new ImeGuard(() => now);
	assert.equal(g.owns({}), false || now - -Infinity < IME_AFTER_MS);
	assert.equal(g.owns({ isComposing: true }), true);
	assert.equal(g.owns({ keyCode: 229 }), true);
	g.start();
	assert.equal(g.owns({}), true);
	g.end();
	assert.equal(g.owns({}), true);
	now = IME_AFTER_MS;
	assert.equal(g.owns({}), false);
});

class Memory implements Keeper {
	map = new Map<string, string>();
	get length() { return this.map.size; }
	key(i: number) { return [...this.map.keys()][i] ?? null; }
	getItem(k: string) { return this.map.get(k) ?? null; }
	setItem(k: string, v: string) {
		if (v.length > 5000)
			throw new Error("full");
		this.map.set(k, v);
	}
	removeItem(k: string) { this.map.delete(k); }
}
const copy = (instance: string, over: Partial<LocalCopy> = {}): LocalCopy => ({
	instance, username: "alice", at: 1000, emailId: null, isDirty: true, letter: emptyLetter(), ...over,
});

test("letters that no tab shows are found again, each user's own", () => {
	const m = new Memory();
	keepLocal(m, copy("one"));
	keepLocal(m, copy("two"));
	keepLocal(m, copy("bobs", { username: "bob" }));
	m.setItem(LOCAL_PREFIX + "bad", "{");
	m.setItem("other", "x");
	assert.deepEqual(orphans(m, "alice", new Set([LOCAL_PREFIX + "two"]), 2000).map((c) => c.instance), ["one"]);
	assert.equal(m.getItem(LOCAL_PREFIX + "bad"), null);
	assert.equal(m.getItem("other"), "x");
	dropLocal(m, "one");
	assert.deepEqual(orphans(m, "alice", new Set(), 2000).map((c) => c.instance), ["two"]);
	assert.deepEqual(orphans(m, "alice", new Set(), 2000 + LOCAL_LIFE_MS), []);
});

test("a full storage is told", () => {
	assert.equal(keepLocal(new Memory(), copy("x", { letter: { ...emptyLetter(), text: "x".repeat(6000) } })), false);
});

test("files that never arrived are not kept", () => {
	const m = new Memory();
	const a = { key: "1", name: "a", type: "", size: 1, blobId: null, cid: null };
	keepLocal(m, copy("x", { letter: { ...emptyLetter(), attachments: [a, { ...a, blobId: "G" }] } }));
	assert.equal(orphans(m, "alice", new Set(), 2000)[0]!.letter.attachments.length, 1);
});

test("times that are offered lie ahead", () => {
	const names = (d: Date) => scheduleChoices(d).map((c) => c.choice).join(" ");
	assert.equal(names(new Date(2026, 10, 24, 9, 0)), "evening tomorrow monday");
	assert.equal(names(new Date(2026, 10, 24, 17, 45)), "tomorrow monday");
	assert.equal(names(new Date(2026, 10, 29, 9, 0)), "evening tomorrow"); // Sunday
	assert.equal(names(new Date(2026, 10, 30, 9, 0)), "evening tomorrow monday"); // Monday: the next one
	for (const c of scheduleChoices(new Date(2026, 11, 31, 17, 0)))
		assert.ok(c.at > new Date(2026, 11, 31, 17, 0));
});

test("a picked time is checked", () => {
	const now = new Date(2026, 10, 24, 9, 0);
	assert.equal(pickProblem(pickedTime("2026-11-24", "09:30"), now, 86400), null);
	assert.equal(pickProblem(pickedTime("2026-11-24", "08:30"), now, 86400), "past");
	assert.equal(pickProblem(pickedTime("2026-12-24", "08:30"), now, 86400), "tooFar");
	assert.equal(pickProblem(pickedTime("2026-02-30", "08:30"), now, 86400), "notATime");
	assert.equal(pickedTime("x", "y"), null);
	assert.equal(undoSeconds(7), 10);
	assert.equal(undoSeconds(0), 0);
});

test("vCards of all ages are read", () => {
	const text = [
		"BEGIN:VCARD", "VERSION:3.0", "FN:Ana Lima", "EMAIL;TYPE=INTERNET,WORK:ana@a.example", "item1.EMAIL:ana@home.example", "TEL;TYPE=CELL:+1 2", "ORG:Acme\\, Inc;Sales", "NOTE:two\\nlines",
		"EMAIL:ANA@a.example", "END:VCARD",
		"BEGIN:VCARD", "VERSION:4.0", "N:王;小明;;;", 'EMAIL;TYPE="home":wang@b.example', "NOTE:fol", " ded", "END:VCARD",
		"BEGIN:VCARD", "VERSION:2.1", "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=B6=", "rg", "TEL;CELL:3", "END:VCARD",
		"BEGIN:VCARD", "END:VCARD", "garbage",
	].join("\r\n");
	assert.deepEqual(parseCards(text), [
		{ name: "Ana Lima", emails: [{ email: "ana@a.example", label: "work" }, { email: "ana@home.example", label: "" }], phones: [{ number: "+1 2", label: "mobile" }], org: "Acme, Inc, Sales", note: "two\nlines" },
		{ name: "王小明", emails: [{ email: "wang@b.example", label: "home" }], phones: [], org: "", note: "folded" },
		{ name: "Jörg", emails: [], phones: [{ number: "3", label: "mobile" }], org: "", note: "" },
	]);
});

test("vCards come back as they went", () => {
	const cards = [{ name: "Ana, \\ Lima; 王".repeat(9), emails: [{ email: "a@b.example", label: "work" }], phones: [{ number: "+1", label: "mobile" }], org: "A; B", note: "x\ny" }];
	const text = formatCards(cards);
	for (const line of text.split("\r\n"))
		assert.ok(new TextEncoder().encode(line).length <= 75);
	assert.deepEqual(parseCards(text), cards.map((c) => ({ ...c, org: "A; B" })));
});
