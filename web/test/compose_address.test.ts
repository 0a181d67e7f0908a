import assert from "node:assert/strict";
import { test } from "node:test";
import { addPeople, endsAddress, isCompleteAddress, parseRecipients } from "../src/core/compose_address";

const show = (text: string) => parseRecipients(text).map((p) => (p.name ? `${p.name}|${p.email}` : p.email));

test("a paste of many addresses gives one chip each", () => {
	const cases: [string, string[]][] = [
		["ana@a.example", ["ana@a.example"]],
		["Ana Lima <ana@a.example>, bob@b.example; c@c.example\nd@d.example", ["Ana Lima|ana@a.example", "bob@b.example", "c@c.example", "d@d.example"]],
		['"Lima, Ana" <ana@a.example>, bob@b.example', ["Lima, Ana|ana@a.example", "bob@b.example"]],
		["王小明 <wang@b.example>，李雷 <li@b.example>；han@b.example、mei@b.example", ["王小明|wang@b.example", "李雷|li@b.example", "han@b.example", "mei@b.example"]],
		['"王，小明" <wang@b.example>，li@b.example', ["王，小明|wang@b.example", "li@b.example"]],
		["a@a.example b@b.example", ["a@a.example", "b@b.example"]],
		["ana@a.example <ana@a.example>", ["ana@a.example"]],
		["nobody", ["nobody"]],
		[" , ;\n", []],
	];
	for (const [text, want] of cases)
		assert.deepEqual(show(text), want, text);
});

test("a chip is made when the address is complete", () => {
	assert.equal(endsAddress("ana@a.example,"), true);
	assert.equal(endsAddress("ana@a.example；"), true);
	assert.equal(endsAddress('"Lima,'), false);
	assert.equal(endsAddress("ana"), false);
	assert.equal(endsAddress(","), false);
	assert.equal(isCompleteAddress("ana@a.example "), true);
	assert.equal(isCompleteAddress("ana lima "), false);
});

test("nobody is added twice, and a name is taken over", () => {
	assert.deepEqual(
		addPeople([{ name: null, email: "Ana@a.example" }], [
			{ name: "Ana", email: "ana@A.example" },
			{ name: null, email: "bob@b.example" },
			{ name: null, email: "bob@b.example" },
		]),
		[
			{ name: "Ana", email: "Ana@a.example" },
			{ name: null, email: "bob@b.example" },
		],
	);
});
