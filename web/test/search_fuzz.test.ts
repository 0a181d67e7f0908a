// Whatever is typed: it is read without an error and in no time, what is written of it is read as the same again, and
// the server's grammar (services/jmapd/jmapd_email_filter.c, store/email_find.h) takes what is asked. Longer:
// YIZHAN_FUZZ_SECONDS=60 node tools/test.mjs search_fuzz; SEED=… for one run again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_FORM, formOf, textOf } from "../src/core/search_form";
import { suggestions, taken } from "../src/core/search_suggest";
import { type Names, OPERATORS, formatSearch, parseSearch, placeOf, readSearch, withPlace } from "../src/core/search";
import type { Filter, FilterOperator } from "../src/core/types";
import { random } from "./fake";

const SECONDS = Number(process.env.YIZHAN_FUZZ_SECONDS ?? 0), SEED = Number(process.env.SEED ?? (SECONDS ? Date.now() % 1_000_000 : 20));
const names: Names = { mailboxId: (n) => /^(inbox|旧邮件)$/i.test(n) ? "F1" : null, keyword: (l) => l === "work" ? "work" : null, now: () => new Date(2026, 5, 15, 12) };
const known = { recent: ["a b", "from:x"], folders: [{ name: "收件箱", written: "inbox" }], labels: ["work", "a b"],
	people: [{ name: "Ana \"A\" Lima", email: "ana@example.org" }], days: [{ day: "2026-06-15", label: "today" }] };

/** What the server says of a filter: null when it takes it. */
function refused(f: Filter): string | null {
	const texts = ["text", "from", "to", "cc", "bcc", "subject", "body", "attachmentName", "attachmentType"];
	let nodes = 0, textCount = 0;
	const condition = (name: string, v: unknown): string | null => {
		if (++nodes > 256)
			return "nodes";
		if (texts.includes(name)) {
			textCount++;
			return typeof v === "string" && Buffer.byteLength(v) <= 1024 ? null : `${name}: ${String(v).length}`;
		}
		switch (name) {
		case "header":
			textCount++;
			return Array.isArray(v) && v.length >= 1 && v.length <= 2 && v.every((x) => typeof x === "string" && Buffer.byteLength(x) <= 1024) ? null : "header";
		case "inMailbox": case "hasKeyword": case "notKeyword": return typeof v === "string" ? null : name;
		case "hasAttachment": return typeof v === "boolean" ? null : name;
		case "minSize": case "maxSize": return Number.isSafeInteger(v) && v as number >= 0 ? null : `${name}: ${v}`;
		case "before": case "after": return /^(1[789]|2[01]|2200)\d*-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(String(v)) ? null : `${name}: ${v}`;
		}
		return "no condition " + name;
	};
	const walk = (x: Filter, depth: number): string | null => {
		if (++nodes > 256 || depth > 16)
			return "too large";
		if (!("operator" in x))
			return Object.entries(x).map(([n, v]) => condition(n, v)).find(Boolean) ?? null;
		const o = x as FilterOperator;
		if (!["AND", "OR", "NOT"].includes(o.operator) || !Array.isArray(o.conditions) || Object.keys(o).length !== 2)
			return "operator";
		return o.conditions.map((c) => walk(c, depth + 1)).find(Boolean) ?? null;
	};
	return walk({ operator: "AND", conditions: [f, { inMailbox: "F1" }] }, 1) ?? (textCount > 16 ? "texts" : null);
}

function check(text: string) {
	const { node, terms, problems } = parseSearch(text);
	const once = formatSearch(node), again = parseSearch(once), isShort = once.length < 3500; // quotes and brackets make it longer
	if (isShort) {
		assert.deepEqual(again.node, node);
		assert.equal(formatSearch(again.node), once);
	}
	for (const w of [...terms, ...problems])
		assert.ok(w.at >= 0 && w.at <= w.end && w.end <= text.length, JSON.stringify(w));
	const s = readSearch(text, names);
	assert.equal(s.filter && refused(s.filter), null);
	// through the form and back nothing is lost, and it says the same
	if (isShort) {
		const form = formOf(once), said = textOf(form);
		assert.deepEqual(formOf(said), form);
		assert.deepEqual(Object.keys(form), Object.keys(EMPTY_FORM));
		assert.equal(placeOf(withPlace(once, "旧邮件")), "旧邮件");
	}
	for (const caret of [0, text.length >> 1, text.length])
		for (const p of suggestions(text, caret, known, true)) {
			const t = taken(text, caret, p);
			assert.ok(t.caret >= 0 && t.caret <= t.text.length);
		}
}

const PIECES = ["a", "预算", "报告", " ", " ", "  ", "\t", "\n", "\u3000", "OR", " OR ", " AND ", "|", "-", "--", "(", ")", "（", "）", "\"", "“", "”", "\\", "\\\"", "'", ":", "：", ";",
	"<", ">", "5M", "1e9", "999999999999999999999", "2026-01-31", "2026-13-01", "0001-01-01", "9999-12-31", "7d", "99999y", "read", "attachment", "inbox", "work", "X-Spam:yes",
	"https://x", "re:", "\u202e", "\u0000", "\ud800", "🙂", "é", "i\u0307", "toString:", "__proto__:", "constructor", "image", "pdf", "a/b",
	...OPERATORS.map((o) => o + ":"), ...OPERATORS.map((o) => o.toUpperCase() + ":\"")];

test(`whatever is typed (seed ${SEED})`, () => {
	const next = random(SEED), end = Date.now() + SECONDS * 1000;
	for (let i = 0; i < 300 || Date.now() < end; i++) {
		const count = Math.floor(next() * (i % 50 ? 16 : 1000));
		const text = Array.from({ length: count }, () => PIECES[Math.floor(next() * PIECES.length)]).join("");
		try {
			check(text);
		} catch (e) {
			throw new Error(`${(e as Error).message.slice(0, 600)}\nof ${JSON.stringify(text)}`);
		}
	}
});

test("what is long takes no longer than its length, what is deep no stack", () => {
	const of = ["(", ")", "-(", "a ", "a:", "\"", "\\", "from:(", "-", "a OR ", "( OR ", "“", "  ", "a".repeat(100), "预", "from:", "(a OR (b ", "|"];
	for (const piece of of) {
		const text = piece.repeat(Math.ceil(100_000 / piece.length));
		const from = performance.now();
		const s = readSearch(text, names);
		suggestions(text, text.length, known, true);
		formOf(text);
		const took = performance.now() - from;
		assert.ok(took < 1500, `${JSON.stringify(piece)}: ${took} ms`);
		assert.ok(s.problems.some((p) => p.kind === "long" || p.kind === "much"), piece);
		assert.equal(s.filter && refused(s.filter), null);
	}
});
