import { test } from "node:test";
import assert from "node:assert/strict";
import { linkify } from "../src/core/linkify";

const links = (text: string) => linkify(text).filter((p) => p.href).map((p) => [p.text, p.href]);
const same = (url: string) => [url, url];

const CASES: [string, string, (string | undefined)[][]][] = [
	["nothing", "no link here, a.b.c, 1.2.3", []],
	["plain", "see http://example.org/a?b=c#d now", [same("http://example.org/a?b=c#d")]],
	["the full stop is the sentence's", "Go to https://example.org/x.", [same("https://example.org/x")]],
	["brackets around", "(https://example.org/x)", [same("https://example.org/x")]],
	["brackets within", "https://en.example.org/wiki/C_(language) is", [same("https://en.example.org/wiki/C_(language)")]],
	["angle brackets", "<https://example.org/a-b>", [same("https://example.org/a-b")]],
	["quotes", "\"https://example.org\"", [same("https://example.org")]],
	["www", "www.example.org/a", [["www.example.org/a", "http://www.example.org/a"]]],
	["address", "write to ana.lima+x@mail.example.org, please", [["ana.lima+x@mail.example.org", "mailto:ana.lima+x@mail.example.org"]]],
	["address without a dot is none", "root@localhost", []],
	["CJK around an ASCII link", "请看https://example.org/a页面，谢谢", [same("https://example.org/a")]],
	["CJK punctuation", "地址：https://example.org/a。再见", [same("https://example.org/a")]],
	["CJK host", "https://例子.测试/路径 好", [same("https://例子.测试/路径")]],
	["in the middle of a word", "xhttps://example.org", []],
	["javascript is no link", "javascript:alert(1)", []],
	["two", "http://a.example http://b.example", [same("http://a.example"), same("http://b.example")]],
	["turning letters end it", "https://example.org/\u202egpj.exe", [same("https://example.org/")]],
	["only a scheme", "http://", []],
];
for (const [name, text, expected] of CASES)
	test("links in text: " + name, () => {
		assert.deepEqual(links(text), expected);
		assert.equal(linkify(text).map((p) => p.text).join(""), text);
	});
test("links in text: no text is lost, whatever it is", () => {
	let seed = 7;
	const next = (n: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
	const bits = ["http://", "https://", "www.", "a@b.c", ".", "(", ")", "例", "x", " ", "/", "@", "\n", "。"];
	for (let i = 0; i < 2000; i++) {
		let text = "";
		for (let k = next(12); k >= 0; k--)
			text += bits[next(bits.length)];
		assert.equal(linkify(text).map((p) => p.text).join(""), text);
	}
});
