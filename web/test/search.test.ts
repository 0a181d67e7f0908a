import assert from "node:assert/strict";
import { test } from "node:test";
import { type Names, type Node, OPERATORS, formatSearch, fromFilter, parseAgo, parseDay, parseSearch, parseSize, saysWhere, toFilter } from "../src/core/search";
import { random } from "./fake";

const names: Names = {
	mailboxId: (n) => ({ inbox: "F1", "old mail": "F2" })[n.toLowerCase()] ?? null, mailboxName: (id) => ({ F1: "inbox", F2: "old mail" })[id] ?? null,
	keyword: (l) => l === "work" ? "work" : null, label: (k) => k === "work" ? "work" : null, now: () => new Date(2026, 5, 15, 12),
};
const filter = (text: string) => toFilter(parseSearch(text).node, names);

test("what is typed means this", () => {
	const cases: [string, unknown][] = [
		["", null],
		["budget", { text: "budget" }],
		["budget plan", { operator: "AND", conditions: [{ text: "budget" }, { text: "plan" }] }],
		["\"budget plan\"", { text: "\"budget plan\"" }],
		["预算", { text: "预算" }],
		["from:ana", { from: "ana" }],
		["FROM:ana", { from: "ana" }],
		["subject:\"a b\"", { subject: "\"a b\"" }],
		["-is:read", { operator: "NOT", conditions: [{ hasKeyword: "$seen" }] }],
		["is:unread", { notKeyword: "$seen" }],
		["is:flagged", { hasKeyword: "$flagged" }],
		["is:starred", { hasKeyword: "$flagged" }],
		["a OR b", { operator: "OR", conditions: [{ text: "a" }, { text: "b" }] }],
		["a or b", { operator: "AND", conditions: [{ text: "a" }, { text: "or" }, { text: "b" }] }],
		["x (a | b)", { operator: "AND", conditions: [{ text: "x" }, { operator: "OR", conditions: [{ text: "a" }, { text: "b" }] }] }],
		["-(a b)", { operator: "NOT", conditions: [{ operator: "AND", conditions: [{ text: "a" }, { text: "b" }] }] }],
		["has:attachment", { hasAttachment: true }],
		["larger:5M", { minSize: 5_000_000 }],
		["smaller:10k", { maxSize: 10_000 }],
		["in:inbox", { inMailbox: "F1" }],
		["in:\"old mail\"", { inMailbox: "F2" }],
		["in:anywhere", null],
		["label:work", { hasKeyword: "work" }],
		["list:dev.example", { header: ["List-Id", "dev.example"] }],
		["id:<a@b>", { header: ["Message-ID", "a@b"] }],
		["header:X-Spam:yes", { header: ["X-Spam", "yes"] }],
		["header:X-Spam", { header: ["X-Spam"] }],
		["well-known", { text: "well-known" }],
		["(((a", { text: "a" }],
		["a)", { text: "a" }],
		["-", { text: "-" }],
		["OR", null],
		["from:", null],
		["\"", null],
	];
	for (const [text, want] of cases)
		assert.deepEqual(filter(text), want, text);
	assert.deepEqual(filter("with:bob"), { operator: "OR", conditions: [{ from: "bob" }, { to: "bob" }, { cc: "bob" }, { bcc: "bob" }] });
	assert.deepEqual(filter("on:2026-01-31"), { operator: "AND", conditions: [{ after: new Date(2026, 0, 31).toISOString().replace(".000", "") },
		{ before: new Date(2026, 1, 1).toISOString().replace(".000", "") }] });
});

test("an operator that nobody knows is a word, and is named", () => {
	assert.deepEqual(parseSearch("re:invent from:a https://x").unknown, ["re"]);
	assert.deepEqual(filter("re:invent"), { text: "re:invent" });
	assert.deepEqual(filter("larger:huge"), { text: "larger:huge" });
});

test("sizes, days and ages", () => {
	assert.deepEqual(["5M", "1.5k", "12", "3GB", "x"].map(parseSize), [5e6, 1500, 12, 3e9, null]);
	assert.equal(parseDay("2026-02-30"), null);
	assert.deepEqual(parseDay("2026/2/3"), new Date(2026, 1, 3));
	assert.deepEqual(parseAgo("2w", new Date(2026, 5, 15)), new Date(2026, 5, 1));
	assert.equal(parseAgo("soon", new Date()), null);
});

test("does it say where?", () => {
	assert.equal(saysWhere(parseSearch("a (b OR -in:inbox)").node), true);
	assert.equal(saysWhere(parseSearch("a").node), false);
});

test("what is written down is read the same again", () => {
	const next = random(7), words = ["a", "预算", "OR", "x y", "-z", "re:x", "from:b", "q\"uote", "b\\c", "(p"];
	const make = (depth: number): Node => {
		const n = Math.floor(next() * (depth > 3 ? 1 : 4));
		if (n === 3)
			return { kind: "not", of: make(depth + 1) };
		if (n === 1 || n === 2)
			return { kind: n === 1 ? "and" : "or", of: [make(depth + 1), make(depth + 1)] };
		const value = words[Math.floor(next() * words.length)]!;
		const op = next() < 0.5 ? "" : OPERATORS[Math.floor(next() * OPERATORS.length)]!;
		return { kind: "term", op, value, isPhrase: false };
	};
	for (let i = 0; i < 500; i++) {
		const once = formatSearch(make(0)), node = parseSearch(once).node;
		assert.deepEqual(parseSearch(formatSearch(node)).node, node, once);
	}
});

test("filters find back to words", () => {
	for (const text of ["budget", "from:ana subject:plan", "is:unread has:attachment", "larger:5M", "in:inbox (a OR b)", "-label:work", "with:bob", "list:dev.example", "is:read",
		"before:2026-03-01", "\"a b\"", "in:\"old mail\""]) {
		const f = filter(text)!;
		assert.equal(formatSearch(fromFilter(f, names)), text);
	}
	assert.equal(fromFilter({ someThing: 1 }, names), null);
});

test("nothing that is typed breaks it", () => {
	const next = random(11), letters = "ab:\"()|- -OR\\<>中🙂\u202e\n";
	for (let i = 0; i < 3000; i++) {
		const text = Array.from({ length: Math.floor(next() * 30) }, () => [...letters][Math.floor(next() * [...letters].length)]).join("");
		const { node } = parseSearch(text);
		toFilter(node, names);
		assert.deepEqual(parseSearch(formatSearch(node)).node, node, JSON.stringify(text));
	}
	assert.ok(parseSearch("(".repeat(3000)));
	assert.ok(parseSearch("-".repeat(3000) + "a"));
});
