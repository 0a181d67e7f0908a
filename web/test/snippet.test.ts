import assert from "node:assert/strict";
import { test } from "node:test";
import { snippetPieces } from "../src/core/snippet";

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
