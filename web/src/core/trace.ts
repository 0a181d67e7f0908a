// The way of one message, as the server tells it (Trace/get): what is worth saying first, which boxes the path has,
// what happened in order. Words are keys of the trace catalogue; nothing here draws.

import type { Id } from "./types";

export interface Cause { name: string; text: string; remedy: string }
export type RecipientState = "unknown" | "delivered" | "relayed" | "scheduled" | "waiting" | "held" | "failed" | "refused" | "canceled";
export interface TraceRecipient {
	address: string; state: RecipientState; targets: number; attempts: number;
	at: string | null; nextAt: string | null; expiresAt: string | null;
	code: number; enhanced: string; reply: string; host: string; tls: string; reason: string; cause?: Cause;
}
export interface TraceLine { who: "C" | "S" | "-"; text: string; ms: number | null }
/** What was done before the conversation. */
export interface TraceStep { step: string; at: string; ms: number; host: string; text: string; failed: boolean; kept: boolean }
export interface TraceEvent {
	at: string; event: string; recipient: string;
	peer?: string; helo?: string; with?: string; tls?: string; cipher?: string; login?: string; user?: string; octets?: number;
	attempt?: number; host?: string; tls_policy?: string; code?: number; enhanced?: string; reply?: string; next_s?: number;
	reason?: string; cause?: Cause; steps?: TraceStep[]; conversation?: TraceLine[];
}
export interface Hop {
	hop: number; by?: string; by_address?: string; software?: string; from?: string; helo?: string; reverse_name?: string; address?: string;
	protocol?: string; tls?: boolean; tls_version?: string; logged_in?: boolean; id?: string; trusted: boolean; local: boolean;
	date?: string; time?: string; delay_seconds?: number; since_written_seconds?: number; raw_delay_seconds?: number; skew_seconds?: number;
	remarks: { kind: string; text: string }[];
}
export interface AuthResult { field: string; server?: string; trusted: boolean; method: string; result: string; subject?: string; reason?: string }
export interface TracePath {
	hops: Hop[]; claims: number; slowest_hop?: number; total_seconds?: number; subject?: string; from?: string; date?: string;
	return_path?: string; authentication: AuthResult[]; signatures: { domain?: string; selector?: string; algorithm?: string }[];
	loop: boolean;
}
export type VerdictState = "received" | "refused" | "failed" | "partial" | "waiting" | "scheduled" | "canceled" | "unknown" | "delivered";
export interface Trace {
	id: Id; queueId: Id; role: "sender" | "recipient"; messageId: string; at: string; from: string; parentId: Id | null;
	verdict: { state: VerdictState; total: number; delivered: number; waiting: number; failed: number; unnamed: number;
		nextAt: string | null; expiresAt: string | null };
	recipients: TraceRecipient[]; events: TraceEvent[]; children: { id: Id; at: string; messageId: string }[]; path?: TracePath;
}

export type Tone = "good" | "wait" | "bad" | "plain";
const TONES: Record<VerdictState, Tone> = { received: "good", delivered: "good", waiting: "wait", scheduled: "wait", partial: "bad", failed: "bad",
	refused: "bad", canceled: "plain", unknown: "plain" };
const RECIPIENT_TONES: Record<RecipientState, Tone> = { delivered: "good", relayed: "good", waiting: "wait", scheduled: "wait", held: "wait",
	failed: "bad", refused: "bad", canceled: "plain", unknown: "plain" };

/** A sentence: a key of the catalogue and what it is filled with. */
export interface Sentence { key: string; values: Record<string, string | number> }

export function verdictTone(t: Trace): Tone {
	return TONES[t.verdict.state] ?? "plain";
}
export function recipientTone(r: TraceRecipient): Tone {
	return RECIPIENT_TONES[r.state] ?? "plain";
}

/** What is to be said first: one to three sentences. Times stay ISO (values that end in At). */
export function verdictSentences(t: Trace): Sentence[] {
	const v = t.verdict;
	const said: Sentence[] = [];
	if (v.state === "received")
		return [{ key: t.path ? "trace.verdict.received" : "trace.verdict.receivedPlain", values: { n: t.path?.hops.length ?? 0,
			seconds: t.path?.total_seconds ?? 0 } }];
	if (v.total === 1)
		said.push({ key: `trace.one.${v.state}`, values: { address: t.recipients[0]?.address ?? "" } });
	else if (v.state === "partial" || v.state === "waiting")
		said.push({ key: "trace.verdict.deliveredOf", values: { done: v.delivered, n: v.total } });
	else
		said.push({ key: `trace.verdict.${v.state}`, values: { n: v.total } });
	if (v.failed && v.state === "partial")
		said.push({ key: "trace.verdict.failedFor", values: { n: v.failed } });
	if (v.waiting && v.state !== "scheduled") {
		if (v.total > 1)
			said.push({ key: "trace.verdict.waitingFor", values: { n: v.waiting } });
		if (v.nextAt)
			said.push({ key: "trace.verdict.next", values: { nextAt: v.nextAt } });
		if (v.expiresAt)
			said.push({ key: "trace.verdict.gives", values: { expiresAt: v.expiresAt } });
	}
	if (v.state === "scheduled" && v.nextAt)
		said.push({ key: "trace.verdict.scheduledFor", values: { nextAt: v.nextAt } });
	return said;
}

// ---- the path as boxes ----

export interface Box {
	name: string;
	detail: string[]; // address, protocol, TLS: as they are
	seconds: number | null; // that it took to come here; null: not known
	isClaim: boolean; // told by the letter only, not seen by us
	isWrong: boolean; // its clock differs
	tone: Tone;
	remarks: string[];
}
export interface Strip { boxes: Box[]; /** Boxes before this one are claims; 0: none are. */ claims: number; slowest: number }

function slowestOf(boxes: Box[]): number {
	let slowest = -1;
	boxes.forEach((b, i) => {
		if (b.seconds !== null && b.seconds > 0 && (slowest < 0 || b.seconds > boxes[slowest]!.seconds!))
			slowest = i;
	});
	return slowest;
}

/** Of a letter that came: by its Received fields. */
export function receivedStrip(p: TracePath): Strip {
	const boxes: Box[] = [];
	const first = p.hops[0];
	if (first && (first.from || first.helo || first.address))
		boxes.push({ name: first.helo ?? first.from ?? first.address ?? "?", detail: first.address ? [first.address] : [], seconds: null,
			isClaim: p.claims > 0, isWrong: false, tone: "plain", remarks: [] });
	for (const h of p.hops) {
		const seconds = h.delay_seconds ?? h.since_written_seconds ?? null;
		const isWrong = h.skew_seconds !== undefined || (h.raw_delay_seconds ?? 0) < 0 || h.remarks.some((r) => r.kind === "clock-wrong" || r.kind === "future");
		boxes.push({ name: h.by ?? h.by_address ?? "?", seconds, isWrong, isClaim: h.hop <= p.claims, tone: h.remarks.some((r) => r.kind === "loop") ? "bad" : "plain",
			detail: [h.by_address, h.protocol, h.tls ? h.tls_version ?? "TLS" : undefined].filter((s): s is string => !!s),
			remarks: h.remarks.map((r) => r.text) });
	}
	return { boxes, claims: p.claims ? p.claims + (boxes.length > p.hops.length ? 1 : 0) : 0, slowest: slowestOf(boxes) };
}

const RESULTS = new Set(["delivered", "deferred", "failed", "stored"]);

/** Of a letter that was sent: who handed it in, we, and the next server of the recipient that is worst off. */
export function sentStrip(t: Trace): Strip {
	const accepted = t.events.find((e) => e.event === "accepted" || e.event === "refused");
	const order: Tone[] = ["bad", "wait", "plain", "good"];
	const worst = [...t.recipients].sort((a, b) => order.indexOf(recipientTone(a)) - order.indexOf(recipientTone(b)))[0];
	const boxes: Box[] = [];
	if (accepted) {
		boxes.push({ name: accepted.login || accepted.user || accepted.helo || "trace.box.you", detail: [accepted.peer === "unix" ? "" : accepted.peer, accepted.with, accepted.tls]
			.filter((s): s is string => !!s), seconds: null, isClaim: false, isWrong: false, tone: "plain", remarks: [] });
		boxes.push({ name: "trace.box.accepted", detail: [], seconds: 0, isClaim: false, isWrong: false,
			tone: accepted.event === "refused" ? "bad" : "good", remarks: [] });
	}
	if (worst) {
		const tries = t.events.filter((e) => RESULTS.has(e.event) && e.recipient === worst.address);
		const last = tries[tries.length - 1];
		if (last && last.event !== "stored")
			boxes.push({ name: last.host?.replace(/ \[.*/, "") || "trace.box.next", detail: [/\[([^\]]+)\]/.exec(last.host ?? "")?.[1], last.tls || undefined]
				.filter((s): s is string => !!s), seconds: between(t.at, last.at), isClaim: false, isWrong: false,
				tone: last.event === "delivered" ? "good" : last.event === "failed" ? "bad" : "wait",
				remarks: last.reply ? [[last.code || "", last.enhanced, last.reply].filter(Boolean).join(" ")] : [] });
		else if (worst.state === "delivered")
			boxes.push({ name: "trace.box.mailbox", detail: [worst.address], seconds: between(t.at, worst.at ?? t.at), isClaim: false, isWrong: false, tone: "good", remarks: [] });
		else
			boxes.push({ name: "trace.box.queue", detail: [], seconds: null, isClaim: false, isWrong: false, tone: "wait", remarks: worst.reason ? [worst.reason] : [] });
	}
	return { boxes, claims: 0, slowest: slowestOf(boxes) };
}

export function between(from: string, to: string): number {
	return Math.max(0, (new Date(to).getTime() - new Date(from).getTime()) / 1000);
}

// ---- the timeline ----

export interface Item {
	id: number;
	event: TraceEvent;
	seconds: number; // since the first one
	source: "smtp-in" | "queue" | "smtp-out" | "store" | "user";
	tone: Tone;
	isTrouble: boolean;
	isOpen: boolean; // at first: what failed shows its conversation
}
const SOURCES: Record<string, Item["source"]> = { accepted: "smtp-in", refused: "smtp-in", routed: "queue", stored: "store", delivered: "smtp-out",
	deferred: "smtp-out", failed: "smtp-out", reported: "queue", copied: "queue", changed: "user" };

export function timeline(t: Trace): Item[] {
	const start = t.events[0]?.at ?? t.at;
	const lastTry = new Map<string, number>();
	t.events.forEach((e, i) => {
		if (RESULTS.has(e.event))
			lastTry.set(e.recipient, i);
	});
	return t.events.map((event, id) => {
		const isTrouble = event.event === "deferred" || event.event === "failed" || event.event === "refused";
		return { id, event, seconds: between(start, event.at), source: SOURCES[event.event] ?? "queue", isTrouble,
			tone: event.event === "failed" || event.event === "refused" ? "bad" : event.event === "deferred" ? "wait"
				: event.event === "delivered" || event.event === "stored" || event.event === "accepted" ? "good" : "plain",
			isOpen: isTrouble && lastTry.get(event.recipient) === id };
	});
}

export interface Filter { recipient: string; problems: boolean; source: string }
export function filterItems(items: Item[], f: Filter): Item[] {
	return items.filter((i) => (!f.recipient || !i.event.recipient || i.event.recipient === f.recipient) && (!f.problems || i.isTrouble)
		&& (!f.source || i.source === f.source));
}

/** "+0.12 s", "+4 min 3 s": for a column. */
export function formatSeconds(s: number): string {
	if (s < 10)
		return s.toFixed(s < 1 ? 2 : 1) + " s";
	if (s < 120)
		return Math.round(s) + " s";
	if (s < 7200)
		return Math.floor(s / 60) + " min " + Math.round(s % 60) + " s";
	if (s < 172800)
		return Math.floor(s / 3600) + " h " + Math.round(s % 3600 / 60) + " min";
	return Math.floor(s / 86400) + " d " + Math.round(s % 86400 / 3600) + " h";
}

// ---- for a support ticket ----

/** All of it as text; words are said by `say`. */
export function traceText(t: Trace, say: (s: Sentence) => string): string {
	const out: string[] = [];
	const line = (...parts: (string | number | false | undefined | null)[]) => out.push(parts.filter((p) => p !== undefined && p !== null && p !== false && p !== "").join(" "));
	line("Message-ID:", `<${t.messageId}>`);
	line("Queue id:", t.queueId.slice(1));
	line("Time:", t.at);
	line();
	line(verdictSentences(t).map(say).join(" "));
	if (t.recipients.length) {
		line();
		for (const r of t.recipients) {
			line(" ", r.address, "-", r.state, r.host, r.code || "", r.enhanced, r.reply || r.reason);
			if (r.cause)
				line("   ", r.cause.text, r.cause.remedy);
		}
	}
	line();
	for (const i of timeline(t)) {
		const e = i.event;
		line(e.at, `+${formatSeconds(i.seconds)}`, e.event, e.recipient, e.peer && `from ${e.peer} (${e.helo ?? ""})`, e.with, e.host, e.tls, e.code || "", e.enhanced, e.reply, e.reason);
		for (const s of e.steps ?? [])
			line("    ", s.at, s.step, `${s.ms} ms`, s.kept && "(for an earlier letter)", s.host, s.failed && "failed:", s.text);
		for (const l of e.conversation ?? [])
			line("    ", l.who === "-" ? "--" : l.who + ":", l.text, l.ms === null ? "" : `[+${l.ms} ms]`);
	}
	if (t.path) {
		line();
		for (const h of t.path.hops)
			line(h.hop <= t.path.claims ? "(claimed)" : "", h.from ?? h.helo, h.address && `[${h.address}]`, "->", h.by, h.protocol, h.tls ? h.tls_version ?? "TLS" : "", h.date);
		for (const a of t.path.authentication)
			line(a.method + "=" + a.result, a.subject, a.trusted ? "" : "(claimed)");
	}
	return out.join("\n") + "\n";
}
