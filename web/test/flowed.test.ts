import { test } from "node:test";
import assert from "node:assert/strict";
import { formatOf, linesOf } from "../src/core/flowed";

const fixed = { isFlowed: false, isDelsp: false };
const flowed = { isFlowed: true, isDelsp: false };

test("format of a part: told by its field", () => {
	assert.deepEqual(formatOf("text/plain; charset=utf-8; format=flowed"), flowed);
	assert.deepEqual(formatOf("text/plain; Format=\"Flowed\"; DelSp=yes"), { isFlowed: true, isDelsp: true });
	assert.deepEqual(formatOf("text/plain; name=\"format-flowed.txt\""), fixed);
	assert.deepEqual(formatOf(null), fixed);
});
const CASES: [string, string, typeof flowed, [number, string][]][] = [
	["fixed lines stay", "a \nb\n", fixed, [[0, "a "], [0, "b"]]],
	["fixed quotes", "> a\n> > b\n>> c\n>\n", fixed, [[1, "a"], [2, "b"], [2, "c"], [1, ""]]],
	["flowed lines join", "one \ntwo \nthree\nnext\n", flowed, [[0, "one two three"], [0, "next"]]],
	["delsp takes the blank", "例 \n子\n", { isFlowed: true, isDelsp: true }, [[0, "例子"]]],
	["quotes join in their depth", ">a \n>b\n>> c \n>> d\n", flowed, [[1, "a b"], [2, "c d"]]],
	["a soft line before another depth ends", ">a \nb\n", flowed, [[1, "a "], [0, "b"]]],
	["stuffed blanks go", " From\n  two\n >no quote\n", flowed, [[0, "From"], [0, " two"], [0, ">no quote"]]],
	["the signature's line does not flow", "text \n-- \nAna\n", flowed, [[0, "text "], [0, "-- "], [0, "Ana"]]],
	["CR LF", "a \r\nb\r\n", flowed, [[0, "a b"]]],
];
for (const [name, text, format, expected] of CASES)
	test("lines of text: " + name, () => assert.deepEqual(linesOf(text, format).map((l) => [l.depth, l.text]), expected));
