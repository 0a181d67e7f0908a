import assert from "node:assert/strict";
import { test } from "node:test";
import { type Names, type Node, OPERATORS, formatSearch, parseAgo, parseDay, parseSearch, parseSize, placeOf, readSearch, saysWhere, toFilter, withPlace } from "../src/core/search";
import { random } from "./fake";

const names: Names = {
	mailboxId: (n) => ({ inbox: "F1", "old mail": "F2" })[n.toLowerCase()] ?? null,
	keyword: (l) => l === "work" ? "work" : null, now: () => new Date(2026, 5, 15, 12),
};
const filter = (text: string) => toFilter(parseSearch(text).node, names);

test("what is typed means this", () => {
	const cases: [string, unknown][] = [
		["", null],
		["budget", { text: "budget" }],
		["budget plan", { text: "budget plan" }],
		["budget from:ana plan \"a b\"", { operator: "AND", conditions: [{ text: "budget plan" }, { from: "ana" }, { text: "\"a b\"" }] }],
		["don't 'tis", { text: "don\\'t \\'tis" }],
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
		["a or b", { text: "a or b" }],
		["from:(ana OR bob) x", { operator: "AND", conditions: [{ operator: "OR", conditions: [{ from: "ana" }, { from: "bob" }] }, { text: "x" }] }],
		["from：“ana lima” （a）", { operator: "AND", conditions: [{ from: "\"ana lima\"" }, { text: "a" }] }],
		["filename:plan.pdf", { attachmentName: "plan.pdf" }],
		["type:image/png", { attachmentType: "image/png" }],
		["type:image", { attachmentType: "image/" }],
		["type:pdf", { operator: "OR", conditions: [{ attachmentType: "pdf" }, { attachmentName: ".pdf" }] }],
		["a OR in:anywhere", null],
		["x (a | b)", { operator: "AND", conditions: [{ text: "x" }, { operator: "OR", conditions: [{ text: "a" }, { text: "b" }] }] }],
		["-(a b)", { operator: "NOT", conditions: [{ text: "a b" }] }],
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

test("an operator that nobody knows, or a value that says nothing, is a word", () => {
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
	assert.equal(saysWhere(parseSearch("a (b OR in:inbox)").node), true);
	assert.equal(saysWhere(parseSearch("a -in:inbox").node), false);
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

test("what could not be meant is told, where it stands", () => {
	const told = (text: string) => readSearch(text, names).problems.map((p) => [p.kind, text.slice(p.at, p.end)]);
	const cases: [string, unknown][] = [
		["from:ana \"b c\" (d OR e) -is:read", []],
		["re:invent https://x mailto:a", [["unknown", "re:"]]],
		["larger:huge on:soon older:x is:new has:wings", [["size", "larger:huge"], ["day", "on:soon"], ["age", "older:x"], ["is", "is:new"], ["has", "has:wings"]]],
		["in:nowhere label:none in:anywhere", [["folder", "in:nowhere"], ["label", "label:none"]]],
		["from: x", [["empty", "from:"]]],
		["a \"b", [["quote", "\"b"]]],
		["(a b) c) (d", [["paren", ")"], ["paren", "("]]],
	];
	for (const [text, want] of cases)
		assert.deepEqual(told(text), want, text);
	assert.deepEqual(told(Array.from({ length: 20 }, (_, i) => `"a ${i}"`).join(" ")).map(([k]) => k), ["much"]);
	assert.deepEqual(told("a ".repeat(3000)).map(([k]) => k), ["long"]);
	assert.deepEqual(told("a ".repeat(500)), []); // many words are one condition
});

test("where it is looked for stands in the words", () => {
	assert.equal(placeOf("a in:inbox"), "inbox");
	assert.equal(placeOf("a in:everywhere"), "anywhere");
	assert.equal(placeOf("a (in:inbox OR b)"), "");
	assert.equal(withPlace("a in:inbox OR b", "x y"), "(a in:inbox OR b) in:\"x y\"");
	assert.equal(withPlace("a in:inbox b", "anywhere"), "a b in:anywhere");
	assert.equal(withPlace("a in:inbox", ""), "a");
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
