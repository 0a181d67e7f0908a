import assert from "node:assert/strict";
import { test } from "node:test";
import { htmlOfText, textOf, unflow, type NodeLike } from "../src/core/compose_text";
import { quoteText, splitQuote, withoutSignature } from "../src/core/compose_quote";
import { htmlBody, plainBody, swapPlain } from "../src/core/compose_signature";
import type { Identity } from "../src/core/compose_types";

/* A tree of HTML that is well formed: enough of a parser for tests. */
function tree(html: string): NodeLike {
	interface N extends NodeLike { childNodes: N[] }
	const make = (nodeType: number, nodeName: string, nodeValue: string | null, attrs: Record<string, string> = {}): N => ({
		nodeType, nodeName, nodeValue, childNodes: [], getAttribute: (n: string) => attrs[n] ?? null,
	});
	const root = make(11, "#document-fragment", null);
	const open = [root];
	for (const m of html.matchAll(/<(\/?)(\w+)((?:\s+\w+="[^"]*")*)\s*>|([^<]+)/g)) {
		const top = open[open.length - 1]!;
		if (m[4] !== undefined) {
			top.childNodes.push(make(3, "#text", m[4].replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&nbsp;/g, "\u00a0").replace(/&amp;/g, "&")));
		} else if (m[1]) {
			open.pop();
		} else {
			const n = make(1, m[2]!.toUpperCase(), null, Object.fromEntries([...m[3]!.matchAll(/(\w+)="([^"]*)"/g)].map((a) => [a[1]!, a[2]!])));
			top.childNodes.push(n);
			if (!/^(br|hr|img)$/i.test(m[2]!))
				open.push(n);
		}
	}
	return root;
}

test("HTML becomes lines that read well", () => {
	const cases: [string, string][] = [
		["<div>one</div><div>two</div>", "one\ntwo"],
		["<div>one</div><div><br></div><div>two</div>", "one\n\ntwo"],
		["<p>one</p><p>two</p>", "one\n\ntwo"],
		["<div>a  b\n c</div>", "a b c"],
		["<ul><li>x</li><li>y<ul><li>z</li></ul></li></ul>", "- x\n- y\n  - z"],
		['<ol start="3"><li>x</li><li>y</li></ol>', "3. x\n4. y"],
		["<div>hi</div><blockquote><div>a</div><blockquote>b</blockquote></blockquote><div>c</div>", "hi\n\n> a\n>\n>> b\n\nc"],
		['<a href="https://a.example/x">here</a>', "here <https://a.example/x>"],
		['<a href="https://a.example/">a.example</a>', "a.example"],
		['<a href="mailto:b@b.example">b@b.example</a>', "b@b.example"],
		['<a href="javascript:alert(1)">x</a>', "x"],
		["<style>p{}</style><script>1</script>x", "x"],
		["<pre>a  b\n  c</pre>", "a  b\n  c"],
		["<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a  b\nc"],
		['<img alt="Logo">', "[Logo]"],
		["a<hr>b", `a\n${"-".repeat(30)}\nb`],
		["你好<br>世界", "你好\n世界"],
	];
	for (const [html, want] of cases)
		assert.equal(textOf(tree(html)), want, html);
});

test("a tree deeper than anybody writes ends", () => {
	const deep = "<div>".repeat(5000) + "x" + "</div>".repeat(5000);
	assert.doesNotThrow(() => textOf(tree(deep)));
});

test("plain text becomes HTML without becoming markup", () => {
	assert.equal(htmlOfText("a <b>\n\n> q\n>> r\nz"),
		'<div>a &lt;b&gt;</div><div><br></div><blockquote type="cite"><div>q</div><blockquote type="cite"><div>r</div></blockquote></blockquote><div>z</div>');
	assert.equal(htmlOfText('see https://a.example/?a=1&b="2".'),
		'<div>see <a href="https://a.example/?a=1&amp;b=">https://a.example/?a=1&amp;b=</a>&quot;2&quot;.</div>');
});

test("plain text survives the way through HTML", () => {
	const text = "Hello\n\nsecond line\n\n> quoted\n>> deeper";
	assert.equal(textOf(tree(htmlOfText(text))), "Hello\n\nsecond line\n\n> quoted\n>\n>> deeper");
});

test("quoting leaves the signature out", () => {
	assert.equal(quoteText("hi\n\n> old\n-- \nAna\n"), "> hi\n>\n>> old");
	assert.equal(withoutSignature("a\n-- \n" + "x\n".repeat(30)), "a\n-- \n" + "x\n".repeat(30));
});

test("soft breaks of format=flowed are undone", () => {
	assert.equal(unflow("one \ntwo\n> q \n> r\n-- \nx", true, false), "one two\n> q r\n-- \nx");
	assert.equal(unflow("one \ntwo", true, true), "onetwo");
	assert.equal(unflow("one \ntwo", false, false), "one \ntwo");
});

const id = (textSignature: string, htmlSignature = ""): Identity => ({
	id: "I", name: "", email: "a@b", replyTo: null, bcc: null, textSignature, htmlSignature, mayDelete: true,
});

test("the signature follows the identity", () => {
	const one = id("Alice"), two = id("The office\nRoom 2"), none = id("");
	const body = plainBody(one, "On Monday Ana wrote:\n> hi");
	assert.equal(body, "\n\n-- \nAlice\n\nOn Monday Ana wrote:\n> hi");
	const written = "Dear Ana,\nthanks" + body;
	assert.equal(swapPlain(written, one, two), "Dear Ana,\nthanks\n\n-- \nThe office\nRoom 2\n\nOn Monday Ana wrote:\n> hi");
	assert.equal(swapPlain(swapPlain(written, one, none), none, two), "Dear Ana,\nthanks\n\n-- \nThe office\nRoom 2\n\nOn Monday Ana wrote:\n> hi");
	assert.equal(swapPlain("text\n\n-- \nAlice, changed\n", one, two), "text\n\n-- \nAlice, changed\n");
	assert.equal(swapPlain("text", none, one), "text\n\n-- \nAlice\n");
	assert.equal(plainBody(none, ""), "");
});

test("a plain signature serves as the rich one", () => {
	assert.match(htmlBody(id("Alice & Co\nx"), ""), /<div class="yz-signature"><div>Alice &amp; Co<\/div><div>x<\/div><\/div>/);
	assert.match(htmlBody(id("x", "<b>y</b>"), "<q>"), /<div class="yz-signature"><b>y<\/b><\/div><div><br><\/div><q>$/);
});

test("Enter splits a quote of plain text", () => {
	const q = "> first line\n> second\n\nend";
	const cases: [number, string][] = [
		[7, "> first\n\n|\n\n> line\n> second\n\nend"],
		[12, "> first line\n\n|\n\n> second\n\nend"],
		[15, "> first line\n\n|\n\n> second\n\nend"],
		[1, "|\n\n> first line\n> second\n\nend"],
	];
	for (const [at, want] of cases) {
		const done = splitQuote(q, at)!;
		assert.equal(done.text.slice(0, done.cursor) + "|" + done.text.slice(done.cursor), want);
	}
	assert.equal(splitQuote(q, q.length), null);
});
