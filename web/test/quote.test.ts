import { test } from "node:test";
import assert from "node:assert/strict";
import { linesOf } from "../src/core/flowed";
import { blocksOf } from "../src/core/quote";

const shown = (text: string) => blocksOf(linesOf(text, { isFlowed: false, isDelsp: false }))
	.map((b) => `${b.isFolded ? "-" : "+"}${b.kind[0]}${b.depth} ${b.lines.map((l) => l.text).join("|")}`);

const CASES: [string, string, string[]][] = [
	["no quote", "a\nb", ["+t0 a|b"]],
	["a quote below is folded with its introduction", "Yes.\n\nOn 3 Nov 2026, Ana wrote:\n> Do you?\n", ["+t0 Yes.|", "-t0 On 3 Nov 2026, Ana wrote:", "-q1 Do you?"]],
	["an introduction over two lines", "Yes.\n\nOn Tue, 3 Nov 2026, Ana Lima\n<ana@example.org> wrote:\n> Do you?\n", ["+t0 Yes.|", "-t0 On Tue, 3 Nov 2026, Ana Lima|<ana@example.org> wrote:", "-q1 Do you?"]],
	["Chinese introduction", "好。\n\n在 2026年11月3日，Ana 写道：\n> 吗？", ["+t0 好。|", "-t0 在 2026年11月3日，Ana 写道：", "-q1 吗？"]],
	["answers between quotes stay", "> one?\nyes\n> two?\nno", ["+q1 one?", "+t0 yes", "+q1 two?", "+t0 no"]],
	["what is only a quote stays", "> all of it", ["+q1 all of it"]],
	["an introduction below the signature", "Yes.\n-- \nAna\n\nOn 3 Nov, Bob wrote:\n> Do you?", ["+t0 Yes.", "+s0 -- |Ana|", "-s0 On 3 Nov, Bob wrote:", "-q1 Do you?"]],
	["a signature is known", "text\n-- \nAna", ["+t0 text", "+s0 -- |Ana"]],
	["an original message and all below", "See below.\n-----Original Message-----\nFrom: x\n\nHello\n> deeper", ["+t0 See below.", "-t0 -----Original Message-----|From: x||Hello", "-q1 deeper"]],
	["a line of underscores is just a line", "a\n________________________\nb", ["+t0 a|________________________|b"]],
	["deeper quotes", "ok\n> a\n>> b\n", ["+t0 ok", "-q1 a", "-q2 b"]],
];
for (const [name, text, expected] of CASES)
	test("quotes: " + name, () => assert.deepEqual(shown(text), expected));
