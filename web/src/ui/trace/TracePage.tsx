// Where a message is: the verdict in words, the stations, the recipients, what happened in order, with what the
// servers said to each other. Follows the letter while it is open.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { addCatalogue, formatSize, t } from "../../core/i18n";
import { clockStamp, clockTime, fullDate, relativeTime } from "../../core/dates";
import { between, filterItems, formatSeconds, receivedStrip, recipientTone, sentStrip, timeline, traceText, verdictSentences, verdictTone } from "../../core/trace";
import type { Box, Item, Sentence, Strip, Trace, TraceEvent, TraceRecipient } from "../../core/trace";
import { back } from "../../core/router";
import { MethodError, NetworkError } from "../../core/jmap";
import type { GetResponse, SetResponse } from "../../core/types";
import { Button, confirmDialog, Icon, Spinner, toast } from "../kit/kit";
import { jmap, keys, store } from "../app";
import { type Copy, CopyLine, HeaderButton, findCopy } from "./Copy";
import en from "../../i18n/trace.en.json";

addCatalogue(en, { "zh-CN": () => import("../../i18n/trace.zh-CN.json") });

const TICK_MS = 10_000; // "in 12 min" moves
const POLL_MS = 30_000; // if no push comes

/** Within a sentence, which has its own full stop. */
function inWords(iso: string): string {
	return relativeTime(iso).replace(/\.$/, "");
}
function say(s: Sentence): string {
	const values: Record<string, string | number> = {};
	for (const [k, v] of Object.entries(s.values))
		values[k] = k === "expiresAt" ? fullDate(String(v)) : k.endsWith("At") ? inWords(String(v)) : v;
	return t(s.key, values);
}
function boxName(b: Box): string {
	return b.name.startsWith("trace.box.") ? t(b.name) : b.name;
}
function answerOf(e: { code?: number; enhanced?: string; reply?: string }): string {
	return [e.code || "", e.enhanced ?? "", e.reply ?? ""].filter(Boolean).join(" ");
}
function saveFile(name: string, text: string, type: string) {
	const a = document.createElement("a");
	a.href = URL.createObjectURL(new Blob([text], { type }));
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
}

// ---- its parts ----

function PathStrip({ strip, isReceived }: { strip: Strip; isReceived: boolean }) {
	const longest = Math.max(0, ...strip.boxes.map((b) => b.seconds ?? 0));
	return (
		<section class="trace-part" aria-labelledby="trace-path">
			<h2 id="trace-path">{t("trace.path")}</h2>
			<ol class="trace-strip">
				{strip.boxes.map((b, i) => (
					<li key={i} class={`trace-hop ${b.tone}${b.isClaim ? " claim" : ""}${isReceived && i === strip.claims && i > 0 ? " seen-from" : ""}`}>
						{isReceived && i === strip.claims && i > 0 && <span class="trace-seen">{t("trace.path.seen")}</span>}
						{i > 0 && (
							<span class="trace-delay" dir="auto">
								<Bar seconds={b.seconds} longest={longest} isSlow={i === strip.slowest && strip.boxes.length > 2 && b.seconds! > 1} />
								{b.isWrong ? t("trace.path.clock") : b.seconds === null ? "" : `+${inTime(b.seconds)}`}
								{i === strip.slowest && strip.boxes.length > 2 && b.seconds! > 1 && <span class="trace-slow"> {t("trace.path.slow")}</span>}
							</span>
						)}
						<span class="trace-box" title={b.isClaim ? t("trace.path.claim") : undefined}>
							<b dir="ltr">{boxName(b)}</b>
							{b.detail.map((d) => <span dir="ltr" key={d}>{d}</span>)}
							{b.isClaim && <span class="trace-claimed">{t("trace.path.claimed")}</span>}
							{b.remarks.map((r) => <span class="trace-remark" dir="auto" key={r}>{r}</span>)}
						</span>
					</li>
				))}
			</ol>
		</section>
	);
}

function Bar({ seconds, longest, isSlow }: { seconds: number | null; longest: number; isSlow: boolean }) {
	const ref = useRef<HTMLSpanElement>(null);
	useEffect(() => {
		ref.current?.style.setProperty("--part", String(longest > 0 && seconds ? Math.max(0.04, seconds / longest) : 0));
	}, [seconds, longest]);
	return <span class={`trace-bar${isSlow ? " slow" : ""}`} ref={ref} aria-hidden />;
}

function Recipients({ trace }: { trace: Trace }) {
	if (!trace.recipients.length)
		return null;
	return (
		<section class="trace-part" aria-labelledby="trace-recipients">
			<h2 id="trace-recipients">{t("trace.recipients")}</h2>
			<ul class="trace-recipients">
				{trace.recipients.map((r) => <Recipient r={r} sent={trace.at} key={r.address} />)}
				{trace.verdict.unnamed > 0 && <li class="quiet">{t("trace.unnamed", { n: trace.verdict.unnamed })}</li>}
			</ul>
		</section>
	);
}

function Recipient({ r, sent }: { r: TraceRecipient; sent: string }) {
	const facts = [
		r.state === "delivered" || r.state === "relayed" ? r.at && inTime(between(sent, r.at)) : null,
		r.targets > 1 ? t("trace.targets", { n: r.targets }) : null,
		r.attempts > 0 && r.state !== "relayed" ? t("trace.tries", { n: r.attempts }) : null,
		r.nextAt && r.state === "waiting" ? t("trace.verdict.next", { nextAt: inWords(r.nextAt) }) : null,
	].filter(Boolean);
	return (
		<li class={recipientTone(r)}>
			<span class="trace-who"><b dir="ltr">{r.address}</b> <span class="trace-state">{t(`trace.state.${r.state}`)}</span>
				{facts.length > 0 && <span class="quiet"> · {facts.join(" · ")}</span>}</span>
			{r.cause && <span class="trace-cause" dir="auto">{r.cause.text}{t("trace.gap")}{r.cause.remedy}</span>}
			{(r.reply || r.reason) && <code dir="ltr">{answerOf(r) || r.reason}{r.host && ` (${r.host})`}</code>}
		</li>
	);
}

function eventTitle(e: TraceEvent): string {
	if (e.event === "accepted")
		return e.login || e.user || e.peer ? t("trace.event.accepted", { who: e.login || e.user || (e.peer && e.helo ? `${e.helo} [${e.peer}]` : e.peer || e.helo) || "" }) : t("trace.event.acceptedHere");
	if (e.event === "deferred" || e.event === "failed")
		return t(`trace.event.${e.event}`, { n: e.attempt ?? 1 });
	if (e.event === "delivered")
		return t("trace.event.delivered", { host: e.host ?? "" });
	return t(`trace.event.${e.event}`);
}

/** What the server's log says of TLS, as a word and reasons: those that stand in any log are said in one's own language. */
const POLICY_REASONS: Record<string, string> = {
	"TLSA records of the host decide where DNSSEC protects them": "host",
	"DNSSEC protects its MX records: TLSA records of each host decide": "mx",
	"DNSSEC does not protect its MX records, so there is no DANE": "noDane",
	"the letter asks for REQUIRETLS": "require",
	"the letter says TLS-Required: No, what is published does not count": "optional",
	"no policy is published: TLS where it is offered": "none",
	"its TLSA records decide (DANE)": "tlsa",
	"its TLSA records cannot be used: TLS, whoever it is": "tlsaUnusable",
	"it has none that count": "tlsaNone",
	"MTA-STS: a certificate that is its, from a known authority": "sts",
	"MTA-STS only tests: what would fail is reported": "stsTests",
};
function reasonsOf(text: string): string {
	return text.split("; ").filter(Boolean).map((r) => POLICY_REASONS[r] ? t(`trace.policy.${POLICY_REASONS[r]}`) : r).join(t("trace.policy.and"));
}
function policyOf(text: string): string {
	const [, level, why] = /^(\S+): (.*)$/s.exec(text) ?? ["", text, ""];
	return t("trace.policy", { level: level! }) + (why ? t("trace.policy.why", { why: reasonsOf(why) }) : "");
}
/** Seconds, minutes … as they are written here. */
function inTime(s: number): string {
	const units = t("trace.units").split(" ");
	return formatSeconds(s).replace(/\b(s|min|h|d)\b/g, (u) => units[["s", "min", "h", "d"].indexOf(u)] ?? u);
}

function eventFacts(e: TraceEvent): string[] {
	return [
		e.recipient,
		e.peer && e.helo ? `${e.helo} [${e.peer}]` : e.peer,
		e.with, [e.tls, e.cipher].filter(Boolean).join(" "),
		e.octets ? `${t("trace.size")} ${formatSize(e.octets)}` : "",
		e.event === "delivered" ? "" : e.host,
		e.tls_policy ? policyOf(e.tls_policy) : "",
		e.next_s ? t("trace.nextIn", { time: inTime(e.next_s) }) : "",
	].filter((s): s is string => !!s);
}

function Event({ item, isNow, isOpen, onToggle }: { item: Item; isNow: boolean; isOpen: boolean; onToggle(): void }) {
	const e = item.event, ref = useRef<HTMLLIElement>(null);
	const at = new Date(e.at);
	useEffect(() => {
		if (isNow)
			ref.current?.querySelector("button")?.focus();
	}, [isNow]);
	return (
		<li class={`trace-event ${item.tone}`} ref={ref} data-event={e.event}>
			<button type="button" class="trace-head" aria-expanded={isOpen} onClick={onToggle}>
				<Icon name={isOpen ? "down" : "right"} />
				<time dateTime={e.at} title={fullDate(e.at)}>{clockStamp(at)}</time>
				<span class="trace-plus" dir="ltr">+{inTime(item.seconds)}</span>
				<span class="trace-source">{t(`trace.source.${item.source}`)}</span>
				<span class="trace-what" dir="auto">{eventTitle(e)}</span>
			</button>
			{isOpen && (
				<div class="trace-body">
					<p>{eventFacts(e).map((f) => <span class="trace-fact" dir="auto" key={f}>{f}</span>)}</p>
					{e.steps && e.steps.length > 0 && <Steps e={e} />}
					{answerOf(e) && <p>{t("trace.answer")}<code dir="ltr">{answerOf(e)}</code></p>}
					{e.reason && <p dir="auto">{e.reason}</p>}
					{e.cause && <p class="trace-cause" dir="auto"><b>{e.cause.text}</b>{t("trace.gap")}{e.cause.remedy}</p>}
					{e.conversation && e.conversation.length > 0 && <Conversation e={e} />}
				</div>
			)}
		</li>
	);
}

/** Look-ups, policy, connection, handshake: how long each took, and what it found. */
function Steps({ e }: { e: TraceEvent }) {
	return (
		<ol class="trace-steps" aria-label={t("trace.steps")}>
			{e.steps!.map((s, i) => (
				<li key={i} class={s.failed ? "bad" : undefined} data-step={s.step}>
					<time class="trace-plus" dateTime={s.at} title={fullDate(s.at)}>{s.step === "reused" ? clockTime(new Date(s.at)) : s.ms < 1000 ? t("trace.ms", { n: s.ms }) : inTime(s.ms / 1000)}</time>
					<b>{t(`trace.step.${s.step}`)}</b>
					<span class="quiet" dir="auto">{[
						s.failed ? t("trace.step.failed") : "",
						s.host,
						e.tls_policy?.endsWith(s.text) && !s.failed ? "" : reasonsOf(s.text),
						s.kept ? t("trace.step.kept") : "",
					].filter(Boolean).join(" · ")}</span>
				</li>
			))}
		</ol>
	);
}

function Conversation({ e }: { e: TraceEvent }) {
	return (
		<details class="trace-talk" open={e.event !== "delivered"}>
			<summary>{t("trace.talk", { n: e.conversation!.length })}</summary>
			<ol dir="ltr">
				{e.conversation!.map((l, i) => (
					<li key={i} class={l.who === "C" ? "client" : l.who === "S" ? "server" : "note"}>
						<span class="trace-dir" title={l.who === "C" ? t("trace.client") : l.who === "S" ? t("trace.server") : undefined}>{l.who === "-" ? "" : l.who}</span>
						<span class="trace-line">{l.text}</span>
						<span class="trace-ms">{l.ms === null ? "" : `+${(l.ms / 1000).toFixed(3)}`}</span>
					</li>
				))}
			</ol>
			<p class="quiet">{t("trace.talk.noData")}</p>
		</details>
	);
}

function Authentication({ trace }: { trace: Trace }) {
	const p = trace.path;
	if (!p)
		return null;
	const isAny = p.authentication.some((a) => a.trusted);
	return (
		<section class="trace-part" aria-labelledby="trace-auth">
			<h2 id="trace-auth">{t("trace.auth")}</h2>
			{!isAny && <p class="quiet">{t("trace.auth.none")}</p>}
			<ul class="trace-auth">
				{p.authentication.map((a, i) => (
					<li key={i} class={a.trusted ? (a.result === "pass" ? "good" : a.result === "fail" ? "bad" : "plain") : "claim"}>
						<code dir="ltr">{a.method}={a.result}</code> {a.subject && <span dir="ltr">{a.subject}</span>}
						<span class="quiet"> {a.trusted ? t("trace.auth.ours") : t("trace.auth.claimed")}{a.server && !a.trusted ? ` (${a.server})` : ""}</span>
					</li>
				))}
				{p.signatures.map((s, i) => (
					<li key={"s" + i} class="plain" dir="auto">{t("trace.auth.signed", { domain: s.domain ?? "?", selector: s.selector ?? "?" })}</li>
				))}
			</ul>
		</section>
	);
}

// ---- the page ----

const BackButton = () => <Button kind="plain" icon="back" label={t("trace.back")} onClick={() => back({ page: "mail", folder: "inbox" })} />;

export function TracePage({ id }: { id: string }) {
	const trace = useSignal<Trace | null>(null);
	const copyOf = useSignal<Copy | null>(null);
	const problem = useSignal<"" | "missing" | "failed">("");
	const tick = useSignal(0);
	const openness = useSignal<Record<number, boolean>>({});
	const now = useSignal(-1);
	const filter = useSignal({ recipient: "", problems: false, source: "" });
	const items = useComputed(() => trace.value ? timeline(trace.value) : []);
	const shown = useComputed(() => filterItems(items.value, filter.value));

	const load = async () => {
		try {
			const got = await jmap.call<GetResponse<Trace>>("Trace/get", { ids: [id] });
			trace.value = got.list[0] ?? null;
			problem.value = got.list[0] ? "" : "missing";
			copyOf.value = got.list[0] ? await findCopy(got.list[0]).catch(() => null) : null;
		} catch (e) {
			if (!trace.value || e instanceof MethodError)
				problem.value = e instanceof NetworkError && trace.value ? "" : "failed";
		}
	};
	useEffect(() => {
		trace.value = null;
		problem.value = "";
		openness.value = {};
		void load();
		const follower = async (types: string[]) => {
			if (!types.length || types.includes("Trace") || types.includes("Email") || types.includes("EmailSubmission"))
				await load();
		};
		store.followers.add(follower);
		const poll = setInterval(load, POLL_MS), clock = setInterval(() => { tick.value++; }, TICK_MS);
		return () => {
			store.followers.delete(follower);
			clearInterval(poll);
			clearInterval(clock);
		};
	}, [id]);
	useEffect(() => document.querySelector("main.trace")?.scrollTo(0, 0), [trace.value?.id]);
	useSignalEffect(() => {
		if (trace.value)
			document.title = t("trace.title");
	});

	const isOpen = (i: Item) => openness.value[i.id] ?? i.isOpen;
	const toggle = (i: Item) => { openness.value = { ...openness.value, [i.id]: !isOpen(i) }; };
	const copy = async () => {
		if (trace.value) {
			await navigator.clipboard.writeText(traceText(trace.value, say));
			toast({ text: t("trace.copied") });
		}
	};
	useEffect(() => {
		const group = t("trace.keys");
		const step = (by: number) => {
			if (shown.value.length)
				now.value = Math.min(shown.value.length - 1, Math.max(0, now.value + by));
		};
		return keys.add([
			{ keys: "j", label: t("trace.key.next"), group, run: () => step(1) },
			{ keys: "k", label: t("trace.key.previous"), group, run: () => step(-1) },
			{ keys: "Enter", label: t("trace.key.fold"), group, run: () => {
				const i = shown.value[now.value];
				if (i)
					toggle(i);
			} },
			{ keys: "c", label: t("trace.key.copy"), group, run: () => void copy() },
		]);
	}, []);

	const act = async (what: "retry" | "cancel") => {
		const tr = trace.value;
		if (!tr || (what === "cancel" && !await confirmDialog(t("trace.stopTitle"), t("trace.stopText"), t("trace.stop"), true)))
			return;
		const done = await jmap.call<SetResponse>("Trace/set", { update: { [tr.queueId]: { [what]: true } } }).catch(() => null);
		const why = done?.notUpdated?.[tr.queueId];
		if (!done || why)
			toast({ text: why?.type === "rateLimit" ? t("trace.retryEarly") : t("trace.failed"), kind: "bad" });
		else if (what === "retry")
			toast({ text: t("trace.retried") });
		await load();
	};

	void tick.value;
	if (problem.value && !trace.value)
		return (
			<main class="trace" tabIndex={-1}>
				<div class="trace-title"><BackButton /><h1>{t(problem.value === "missing" ? "trace.missing" : "trace.failed")}</h1></div>
				{problem.value === "missing" ? <p>{t("trace.missingText")}</p> : <Button label={t("trace.again")} onClick={() => void load()} />}
			</main>
		);
	const tr = trace.value;
	if (!tr)
		return <main class="trace" tabIndex={-1}><Spinner /></main>;
	const canAct = tr.role === "sender" && tr.recipients.some((r) => r.state === "waiting" || r.state === "scheduled");
	return (
		<main class="trace" tabIndex={-1}>
			<header class="trace-top">
				<div class="trace-title"><BackButton /><h1 dir="auto">{tr.path?.subject || copyOf.value?.subject || t("trace.title")}</h1></div>
				<p class="trace-ids"><span>{t("trace.messageId")} <code dir="ltr">{tr.messageId}</code></span>{" "}
					<span>{t("trace.queueId")} <code dir="ltr">{tr.queueId.slice(1)}</code></span></p>
				{copyOf.value && <CopyLine copy={copyOf.value} />}
				<div class="trace-actions">
					<Button label={t("trace.copy")} icon="copy" both small onClick={() => void copy()} />
					<Button label={t("trace.save")} icon="download" both small onClick={() => saveFile("trace.txt", traceText(tr, say), "text/plain;charset=utf-8")} />
					<Button label={t("trace.saveJson")} small onClick={() => saveFile("trace.json", JSON.stringify(tr, null, "\t"), "application/json")} />
					{copyOf.value && <HeaderButton id={copyOf.value.id} />}
				</div>
			</header>
			<div class={`trace-verdict ${verdictTone(tr)}`} role="status" aria-live="polite">
				<Icon name={verdictTone(tr) === "good" ? "check" : verdictTone(tr) === "bad" ? "warning" : tr.verdict.state === "waiting" ? "snooze" : "scheduled"} />
				<p dir="auto">{verdictSentences(tr).map(say).join(t("trace.gap"))}</p>
				{canAct && <Button label={t("trace.retry")} small onClick={() => void act("retry")} />}
				{canAct && <Button label={t("trace.stop")} small kind="danger" onClick={() => void act("cancel")} />}
			</div>
			{tr.parentId && <p>{t("trace.parent")} <a href={`/trace/${tr.parentId}`}>{t("trace.parentLink")}</a></p>}
			<PathStrip strip={tr.role === "recipient" && tr.path ? receivedStrip(tr.path) : sentStrip(tr)} isReceived={tr.role === "recipient"} />
			<Recipients trace={tr} />
			<section class="trace-part" aria-labelledby="trace-timeline">
				<h2 id="trace-timeline">{t("trace.timeline")}</h2>
				{items.value.length > 1 && (
					<div class="trace-filter">
						<label class="check">{t("trace.filter.recipient")} <select class="input" value={filter.value.recipient}
							onChange={(e) => { filter.value = { ...filter.value, recipient: e.currentTarget.value }; }}>
							<option value="">{t("trace.filter.all")}</option>
							{tr.recipients.map((r) => <option value={r.address} key={r.address}>{r.address}</option>)}
						</select></label>
						<label class="check">{t("trace.filter.source")} <select class="input" value={filter.value.source}
							onChange={(e) => { filter.value = { ...filter.value, source: e.currentTarget.value }; }}>
							<option value="">{t("trace.filter.anySource")}</option>
							{[...new Set(items.value.map((i) => i.source))].map((s) => <option value={s} key={s}>{t(`trace.source.${s}`)}</option>)}
						</select></label>
						<label class="check"><input type="checkbox" checked={filter.value.problems}
							onChange={(e) => { filter.value = { ...filter.value, problems: e.currentTarget.checked }; }} /> {t("trace.filter.problems")}</label>
					</div>
				)}
				<ol class="trace-events">
					{shown.value.map((i, n) => <Event item={i} key={i.id} isNow={n === now.value} isOpen={isOpen(i)} onToggle={() => toggle(i)} />)}
				</ol>
				{!shown.value.length && <p class="quiet">{t("trace.nothing")}</p>}
			</section>
			{tr.children.length > 0 && (
				<section class="trace-part" aria-labelledby="trace-children">
					<h2 id="trace-children">{t("trace.children")}</h2>
					<ul>{tr.children.map((c) => <li key={c.id}><a href={`/trace/${c.id}`}>{t("trace.child", { time: fullDate(c.at) })}</a></li>)}</ul>
				</section>
			)}
			<Authentication trace={tr} />
		</main>
	);
}
