import assert from "node:assert/strict";
import { test } from "node:test";
import { cutText, fromMark, snippetPieces } from "../src/core/snippet";

test("a snippet is words, some of them marked, and nothing else", () => {
	const cases: [string, unknown][] = [
		["", []],
		["a &lt;b&gt; &amp;amp; c", [["a <b> &amp; c", false]]],
		["the <mark>bud</mark>get", [["the ", false], ["bud", true], ["get", false]]],
		["<mark>a</mark><mark>b", [["a", true], ["b", true]]],
		["<img src=x onerror=y><MARK>a", [["<img src=x onerror=y><MARK>a", false]]],
		["<mark class=x>a</mark>b", [["<mark class=x>a", false], ["b", false]]],
		["&lt;mark&gt;a", [["<mark>a", false]]],
	];
	for (const [html, want] of cases)
		assert.deepEqual(snippetPieces(html).map((p) => [p.text, p.isMark]), want, html);
});

test("a snippet from its first mark on, with a word before it", () => {
	const cases: [string, string][] = [
		["", ""],
		["nothing is marked here at all", "nothing is marked here at all"],
		["<mark>first</mark> of all", "[first] of all"],
		["the <mark>bud</mark>get", "the [bud]get"],
		["Could you look at the <mark>budget</mark> and the <mark>plan</mark>?", "…at the [budget] and the [plan]?"],
		["Donaudampf<mark>schiff</mark>", "…naudampf[schiff]"],
		["迁移脚本已经在环境跑通<mark>账户</mark>", "…本已经在环境跑通[账户]"],
		["😀😀😀😀😀😀😀😀😀<mark>x</mark>", "…😀😀😀😀😀😀😀😀[x]"],
		["incomprehensible <mark>x</mark>", "…[x]"],
	];
	for (const [html, want] of cases)
		assert.equal(fromMark(snippetPieces(html)).map((p) => p.isMark ? `[${p.text}]` : p.text).join(""), want, html);
	assert.deepEqual(["plan", "a plan", "😀😀😀"].map((s) => cutText(s, 2)), ["pl…", "a…", "😀😀…"]);
	assert.equal(cutText("plan", 4), "plan");
});
