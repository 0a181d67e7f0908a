import assert from "node:assert/strict";
import { test } from "node:test";
import { dropHeld, keepHeld, readHeld } from "../src/core/compose_held";
import { type Channel, DraftTabs } from "../src/core/compose_tabs";

function keeper() {
	const m = new Map<string, string>();
	return { getItem: (k: string) => m.get(k) ?? null, setItem: (k: string, v: string) => void m.set(k, v), removeItem: (k: string) => void m.delete(k),
		key: (i: number) => [...m.keys()][i] ?? null, get length() { return m.size; } };
}

test("what a letter was about is known until its time, to its writer alone", () => {
	const k = keeper(), note = { username: "a", until: 100, origin: { emailId: "M1", how: "reply" as const }, archived: null };
	keepHeld(k, "S1", note);
	keepHeld(k, "S2", { ...note, origin: null });
	assert.equal(k.length, 1, "what was about nothing is not kept");
	assert.deepEqual(readHeld(k, "S1", "a", 50), note);
	assert.equal(readHeld(k, "S1", "b", 50), null);
	assert.equal(readHeld(k, "S9", "a", 50), null);
	assert.equal(readHeld(k, "S1", "a", 101), null);
	assert.equal(k.length, 0);
	keepHeld(k, "S1", note);
	dropHeld(k, "S1");
	assert.equal(readHeld(k, "S1", "a", 50), null);
});

test("tabs with the same draft learn of each other, and when they part", () => {
	const all: Channel[] = [];
	const channel = (): Channel => {
		const c: Channel = { onmessage: null, close: () => all.splice(all.indexOf(c), 1),
			postMessage: (data) => all.filter((o) => o !== c).forEach((o) => o.onmessage?.({ data } as MessageEvent)) };
		all.push(c);
		return c;
	};
	const seen: Record<string, boolean> = {};
	const ids: Record<string, string | null> = { one: "M1", two: "M1", other: "M2", fresh: null };
	const tab = (name: string) => new DraftTabs(name, () => ids[name]!, (is) => { seen[name] = is; }, channel());
	const one = tab("one");
	tab("other");
	tab("fresh");
	assert.deepEqual(seen, {});
	const two = tab("two");
	assert.deepEqual(seen, { one: true, two: true });
	ids.two = "M3";
	two.moved();
	assert.equal(seen.two, false);
	ids.one = "M3";
	one.moved();
	assert.deepEqual([seen.one, seen.two], [true, true]);
	one.end();
	assert.equal(seen.two, false);
});
