/* The life of a draft: when it is saved, what the line under the letter says, what happens when it fails. A pure
 * machine: events go in, the new state and what is to be done come out; ui/compose does it and tells the outcome.
 *
 *	idle --change--> waiting --3 s--> saving --saved--> idle
 *	                    ^                |--failed--> failing --retry--> saving
 *	                    |                |--login---> locked  --loggedIn--> saving
 *	                    +----change------+
 */

export const SAVE_IDLE_MS = 3000;
export const SAVE_LATEST_MS = 15000; /* somebody who never pauses is saved too */
const RETRY_MS = [5000, 10000, 20000, 40000, 60000];

export type DraftPhase = "idle" | "waiting" | "saving" | "failing" | "locked" | "ended";

export interface DraftState {
	phase: DraftPhase;
	emailId: string | null; /* the draft at the server, ours alone */
	version: number; /* counts changes */
	savedVersion: number;
	sendingVersion: number; /* that is on its way to the server */
	firstChangeAt: number; /* of those not saved */
	dueAt: number; /* waiting, failing: when it is saved */
	savedAt: number; /* 0: never */
	attempts: number;
	conflict: "changed" | "gone" | null; /* somebody else's doing */
}

export type DraftEvent =
	| { kind: "change"; now: number }
	| { kind: "tick"; now: number }
	| { kind: "flush"; now: number } /* leaving, hiding, sending: now */
	| { kind: "saved"; now: number; emailId: string; oldWasGone: boolean }
	| { kind: "failed"; now: number }
	| { kind: "loginNeeded" }
	| { kind: "loggedIn"; now: number }
	| { kind: "online"; now: number }
	| { kind: "foreign"; how: "changed" | "gone" }
	| { kind: "conflictSeen" }
	| { kind: "adopted"; emailId: string } /* another tab's newer state was taken over */
	| { kind: "end" };

export function draftState(emailId: string | null): DraftState {
	return {
		phase: "idle",
		emailId,
		version: 0,
		savedVersion: 0,
		sendingVersion: 0,
		firstChangeAt: 0,
		dueAt: 0,
		savedAt: 0,
		attempts: 0,
		conflict: null,
	};
}

export function isDirty(s: DraftState): boolean {
	return s.version !== s.savedVersion;
}

function begin(s: DraftState): DraftState {
	return { ...s, phase: "saving", sendingVersion: s.version };
}

/** The state after an event. It has to be saved when the phase has just become "saving". */
export function draftStep(s: DraftState, e: DraftEvent): DraftState {
	if (s.phase === "ended")
		return s;
	switch (e.kind) {
	case "change": {
		const first = isDirty(s) ? s.firstChangeAt : e.now;
		const next = { ...s, version: s.version + 1, firstChangeAt: first };
		if (s.phase === "saving" || s.phase === "locked" || s.phase === "failing")
			return next;
		return { ...next, phase: "waiting", dueAt: Math.min(e.now + SAVE_IDLE_MS, first + SAVE_LATEST_MS) };
	}
	case "tick":
		return (s.phase === "waiting" || s.phase === "failing") && e.now >= s.dueAt ? begin(s) : s;
	case "flush":
		return isDirty(s) && (s.phase === "waiting" || s.phase === "failing" || s.phase === "idle") ? begin(s) : s;
	case "saved": {
		if (s.phase !== "saving")
			return s;
		const next: DraftState = {
			...s,
			phase: "idle",
			emailId: e.emailId,
			savedVersion: s.sendingVersion,
			savedAt: e.now,
			attempts: 0,
			conflict: e.oldWasGone ? "changed" : s.conflict,
		};
		if (!isDirty(next))
			return next;
		return { ...next, phase: "waiting", firstChangeAt: e.now, dueAt: e.now + SAVE_IDLE_MS };
	}
	case "failed": {
		if (s.phase !== "saving")
			return s;
		const wait = RETRY_MS[Math.min(s.attempts, RETRY_MS.length - 1)]!;
		return { ...s, phase: "failing", attempts: s.attempts + 1, dueAt: e.now + wait };
	}
	case "loginNeeded":
		return s.phase === "saving" ? { ...s, phase: "locked" } : s;
	case "loggedIn":
		return s.phase === "locked" ? begin(s) : s;
	case "online":
		return s.phase === "failing" ? begin(s) : s;
	case "foreign":
		return { ...s, conflict: e.how, emailId: e.how === "gone" ? null : s.emailId };
	case "conflictSeen":
		return { ...s, conflict: null };
	case "adopted":
		return { ...s, emailId: e.emailId, phase: "idle", savedVersion: s.version, conflict: null };
	case "end":
		return { ...s, phase: "ended" };
	}
}

export type DraftLine = "none" | "unsaved" | "saving" | "saved" | "failing" | "locked";

/** What the line under the letter says. */
export function draftLine(s: DraftState): DraftLine {
	switch (s.phase) {
	case "saving":
		return "saving";
	case "failing":
		return "failing";
	case "locked":
		return "locked";
	case "waiting":
		return "unsaved";
	default:
		return s.savedAt > 0 && !isDirty(s) ? "saved" : isDirty(s) ? "unsaved" : "none";
	}
}
