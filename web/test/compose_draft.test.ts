import assert from "node:assert/strict";
import { test } from "node:test";
import { SAVE_LATEST_MS, draftLine, draftState, draftStep, isDirty, type DraftEvent, type DraftState } from "../src/core/compose_draft";

const run = (s: DraftState, ...events: DraftEvent[]) => events.reduce(draftStep, s);

test("saved three seconds after the last change", () => {
	let s = run(draftState(null), { kind: "change", now: 0 }, { kind: "tick", now: 2999 });
	assert.equal(s.phase, "waiting");
	s = run(s, { kind: "change", now: 2999 }, { kind: "tick", now: 3000 });
	assert.equal(s.phase, "waiting");
	s = run(s, { kind: "tick", now: 5999 });
	assert.equal(s.phase, "saving");
	s = run(s, { kind: "saved", now: 6100, emailId: "M1", oldWasGone: false });
	assert.deepEqual([s.phase, s.emailId, isDirty(s), draftLine(s)], ["idle", "M1", false, "saved"]);
});

test("who never pauses is saved too", () => {
	let s = draftState(null);
	for (let now = 0; now < SAVE_LATEST_MS; now += 1000)
		s = run(s, { kind: "change", now }, { kind: "tick", now });
	assert.equal(run(s, { kind: "tick", now: SAVE_LATEST_MS }).phase, "saving");
});

test("what was typed while saving is saved after", () => {
	let s = run(draftState(null), { kind: "change", now: 0 }, { kind: "tick", now: 3000 }, { kind: "change", now: 3100 });
	assert.equal(s.phase, "saving");
	s = run(s, { kind: "saved", now: 3500, emailId: "M1", oldWasGone: false });
	assert.deepEqual([s.phase, isDirty(s)], ["waiting", true]);
	assert.equal(run(s, { kind: "tick", now: 6500 }).phase, "saving");
});

test("a failure is tried again, later and later, and at once when the net is back", () => {
	let s = run(draftState(null), { kind: "change", now: 0 }, { kind: "tick", now: 3000 }, { kind: "failed", now: 3000 });
	assert.deepEqual([s.phase, s.dueAt, draftLine(s)], ["failing", 8000, "failing"]);
	s = run(s, { kind: "tick", now: 8000 }, { kind: "failed", now: 8000 });
	assert.equal(s.dueAt, 18000);
	assert.equal(run(s, { kind: "online", now: 9000 }).phase, "saving");
	assert.equal(run(s, { kind: "change", now: 9000 }).phase, "failing");
});

test("the end of the session loses nothing", () => {
	let s = run(draftState("M1"), { kind: "change", now: 0 }, { kind: "tick", now: 3000 }, { kind: "loginNeeded" });
	assert.equal(draftLine(s), "locked");
	s = run(s, { kind: "change", now: 4000 }, { kind: "tick", now: 60000 });
	assert.equal(s.phase, "locked");
	s = run(s, { kind: "loggedIn", now: 61000 });
	assert.equal(s.phase, "saving");
	s = run(s, { kind: "saved", now: 61100, emailId: "M2", oldWasGone: false });
	assert.equal(isDirty(s), false);
});

test("leaving saves at once, and only what is not saved", () => {
	assert.equal(run(draftState(null), { kind: "flush", now: 0 }).phase, "idle");
	assert.equal(run(draftState(null), { kind: "change", now: 0 }, { kind: "flush", now: 1 }).phase, "saving");
});

test("somebody else's change is noticed", () => {
	const s = run(draftState("M1"), { kind: "change", now: 0 }, { kind: "tick", now: 3000 }, { kind: "saved", now: 3100, emailId: "M3", oldWasGone: true });
	assert.equal(s.conflict, "changed");
	assert.equal(run(s, { kind: "conflictSeen" }).conflict, null);
	const gone = run(draftState("M1"), { kind: "foreign", how: "gone" });
	assert.deepEqual([gone.conflict, gone.emailId], ["gone", null]);
});

test("what has ended stays so", () => {
	assert.equal(run(draftState(null), { kind: "end" }, { kind: "change", now: 0 }, { kind: "tick", now: 9999 }).phase, "ended");
});
