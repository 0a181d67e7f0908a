import assert from "node:assert/strict";
import { test } from "node:test";
import { easeWords, looseWords } from "../src/core/loose_words";

test("encoded words are read wherever they stand", () => {
	const cases: [string, string][] = [
		["plain = ? text", "plain = ? text"],
		["Re:=?utf-8?B?5L2g5aW9?=", "Re:你好"],
		["[=?gb18030?B?xOO6ww==?=] =?utf-8?q?a_b?=", "[你好] a b"],
		["=?utf-8?q?a?==?utf-8?q?b?=", "ab"],
		["=?utf-8?q?Hello World?=", "Hello World"],
		["=?utf-8?q?=E4=BD?==?UTF-8?q?=A0?=", "你"],
		["=?utf-8?q?a=00=0Ab?=x", "abx"],
		["=?nonesuch?q?a?=x", "=?nonesuch?q?a?=x"],
		["x=?utf-8?b?***?=", "x=?utf-8?b?***?="],
		["x=?utf-8?q?=zz?=", "x=zz"],
		["x=?utf-8?q?never ends", "x=?utf-8?q?never ends"],
	];
	for (const [text, want] of cases)
		assert.equal(looseWords(text), want, text);
	const email = { subject: "x=?utf-8?q?a?=", from: [{ name: "x=?utf-8?q?b?=", email: "a@b" }], to: null };
	easeWords(email);
	assert.deepEqual(email, { subject: "xa", from: [{ name: "xb", email: "a@b" }], to: null });
});

test("a long text without end is read in a moment", () => {
	const start = Date.now();
	looseWords("=?utf-8?q?".repeat(20000));
	looseWords("=?utf-8?q?a?= ".repeat(20000));
	looseWords("=?" + "a".repeat(200000));
	assert.ok(Date.now() - start < 20000);
});
