// One letter: docked at the lower edge, large, in a tab of its own, or as a bar.

import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { domainOf, formatAddress } from "../../core/address";
import { type Check, checkLetter, isBlocking } from "../../core/compose_checks";
import { draftLine } from "../../core/compose_draft";
import { scheduleChoices } from "../../core/compose_schedule";
import { clockTime, fullDate } from "../../core/dates";
import { t } from "../../core/i18n";
import { settings } from "../../core/settings";
import { isLoginLost, store } from "../app";
import { Button, type MenuEntry, Spinner, confirmDialog, openMenu } from "../kit/kit";
import { AddressField } from "./AddressField";
import { CheckDialog, ScheduleDialog, maxDelay } from "./Dialogs";
import { Files } from "./Files";
import { PlainText, RichText } from "./RichText";
import { activeComposer, closeComposer } from "./compose";
import type { Composer } from "./composer";
import { type SendHow, send } from "./sending";

export function ComposerPanel({ c, isActive }: { c: Composer; isActive: boolean }) {
	const ref = useRef<HTMLElement>(null);
	const title = c.letter.value.subject.trim() || t("compose.new");
	const view = c.view.value;
	const ask = useAsking(c);
	useEffect(() => {
		const el = ref.current!;
		const unwatch = c.guard.watch(el);
		return unwatch;
	}, []);
	return (
		<section class={`composer ${view}${isActive ? " active" : ""}`} ref={ref} role="dialog" aria-label={t("compose.title", { title })} data-keys="own"
			onFocusCapture={() => { activeComposer.value = c.number; }}
			onPointerDownCapture={() => { activeComposer.value = c.number; }}
			onKeyDown={(e) => {
				if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && !e.shiftKey && !e.altKey && !c.guard.owns(e)) {
					e.preventDefault();
					ask.send({});
				}
			}}>
			<Head c={c} title={title} />
			{view !== "small" && <Body c={c} ask={ask} />}
			{ask.dialogs}
		</section>
	);
}

function Head({ c, title }: { c: Composer; title: string }) {
	const isSmall = c.view.value === "small", isFull = c.view.value === "full", isTab = c.view.value === "tab";
	return (
		<header class="composer-head">
			<h2 dir="auto"><button type="button" class="composer-title" disabled={isTab} aria-expanded={!isSmall} onClick={() => { c.view.value = isSmall ? "docked" : "small"; }}>{title}</button></h2>
			{!isTab && <>
				<Button small kind="plain" icon={isSmall ? "up" : "minus"} label={isSmall ? t("compose.larger") : t("compose.smaller")} class="composer-min"
					onClick={() => { c.view.value = isSmall ? "docked" : "small"; }} />
				<Button small kind="plain" icon="full" label={isFull ? t("compose.docked") : t("compose.full")} pressed={isFull} class="composer-full"
					onClick={() => { c.view.value = isFull ? "docked" : "full"; }} />
				<Button small kind="plain" icon="external" label={t("compose.ownTab")} class="composer-tab" onClick={() => void c.toTab()} />
			</>}
			<Button small kind="plain" icon="close" label={t("compose.close")} onClick={() => void close(c)} />
		</header>
	);
}

async function close(c: Composer): Promise<void> {
	const isTab = c.view.value === "tab";
	if (c.phase.value !== "ready")
		closeComposer(c.number);
	else
		await c.close();
	if (isTab && c.draft.value.phase === "ended") {
		window.close();
		location.assign("/mail/inbox");
	}
}

interface Asking { send(how: SendHow): void; pick(): void; dialogs: preact.ComponentChildren }

/** Checks before sending, and the dialogs that they need. */
function useAsking(c: Composer): Asking {
	const checks = useSignal<Check[]>([]);
	const how = useSignal<SendHow>({});
	const isPicking = useSignal(false);
	const start = (h: SendHow) => {
		if (c.phase.value !== "ready")
			return;
		const all = checkLetter(c.snapshot(), { plainText: c.ownText(), uploading: c.uploads.items.value.map((i) => i.name),
			ownDomains: settings.value.askOutside ? [...new Set(store.identity.all.value.map((i) => domainOf(i.email)))] : [] });
		how.value = h;
		checks.value = all;
		if (!all.length)
			void send(c, h);
	};
	return {
		send: start,
		pick: () => { isPicking.value = true; },
		dialogs: <>
			{checks.value.length > 0 && <CheckDialog checks={checks.value} onClose={(anyway) => {
				const all = checks.value;
				checks.value = [];
				if (anyway && !all.some(isBlocking))
					void send(c, how.value);
			}} />}
			{isPicking.value && <ScheduleDialog onClose={(at) => {
				isPicking.value = false;
				if (at)
					start({ at });
			}} />}
		</>,
	};
}

function Body({ c, ask }: { c: Composer; ask: Asking }) {
	switch (c.phase.value) {
	case "opening":
		return <Spinner />;
	case "gone":
		return <div class="loading" role="alert">{t("compose.gone")}</div>;
	case "failed":
		return <div class="loading" role="alert"><span>{t("compose.openFailed")}</span><Button label={t("compose.tryAgain")} onClick={() => void c.open()} /></div>;
	default:
		break;
	}
	const isBusy = c.phase.value !== "ready";
	return (
		<div class="composer-body" aria-busy={isBusy} inert={isBusy}>
			<Alerts c={c} />
			<Fields c={c} />
			{c.letter.value.format === "rich" ? <RichText c={c} key={`r${c.loads.value}`} /> : <PlainText c={c} />}
			<Files c={c} />
			<Foot c={c} ask={ask} />
		</div>
	);
}

const REASONS = new Set(["invalidRecipients", "noRecipients", "tooManyRecipients", "tooLarge", "forbiddenFrom", "forbiddenMailFrom", "forbiddenToSend",
	"invalidEmail", "overQuota", "rateLimit", "blobNotFound", "network", "bounced"]);

function Alerts({ c }: { c: Composer }) {
	const p = c.problem.value, conflict = c.draft.value.conflict;
	return (
		<>
			{p && (
				<div class="composer-problem" role="alert">
					<p>{REASONS.has(p.reason) ? t(`compose.why.${p.reason}`) : t("compose.why.other")}</p>
					{p.recipients.length > 0 ? <ul>{p.recipients.map((r) => <li key={r.email}><b dir="auto">{r.email}</b>{r.reply && <> <span dir="auto">{r.reply}</span></>}</li>)}</ul>
						: p.detail && <p class="detail" dir="auto">{p.detail}</p>}
					<Button small kind="plain" icon="close" label={t("kit.close")} onClick={() => { c.problem.value = null; }} />
				</div>
			)}
			{c.isElsewhere.value && !conflict && <div class="banner" role="status"><span>{t("compose.elsewhere")}</span></div>}
			{conflict && (
				<div class="banner" role="alert">
					<span>{conflict === "changed" ? t("compose.conflict.changed") : t("compose.conflict.gone")}</span>
					<Button small label={t("compose.conflict.keep")} onClick={() => {
						c.step({ kind: "conflictSeen" });
						c.changed();
					}} />
					{conflict === "gone" && <Button small label={t("compose.conflict.drop")} onClick={() => c.end()} />}
				</div>
			)}
		</>
	);
}

function Fields({ c }: { c: Composer }) {
	const fromId = useId(), subjectId = useId();
	const identities = store.identity.all.value;
	const l = c.letter.value;
	const subject = useRef<HTMLInputElement>(null);
	return (
		<div class="composer-fields">
			<div class="address-field from">
				<label for={fromId}>{t("compose.from")}</label>
				<select id={fromId} class="from-select" dir="auto" value={l.from ? "from" : l.identityId ?? ""} onChange={(e) => {
					if (e.currentTarget.value !== "from")
						c.changeIdentity(e.currentTarget.value);
				}}>
					{l.from && <option value="from">{formatAddress(l.from)}</option>}
					{identities.map((i) => <option value={i.id} key={i.id}>{formatAddress({ name: i.name || null, email: i.email })}</option>)}
				</select>
			</div>
			<div class="to-row">
				<AddressField c={c} field="to" label={t("compose.to")} isFirst />
				<div class="more-fields">
					{!c.showsCc.value && <Button small kind="plain" label={t("compose.cc")} onClick={() => { c.showsCc.value = true; }} />}
					{!c.showsBcc.value && <Button small kind="plain" label={t("compose.bcc")} onClick={() => { c.showsBcc.value = true; }} />}
				</div>
			</div>
			{c.showsCc.value && <AddressField c={c} field="cc" label={t("compose.cc")} />}
			{c.showsBcc.value && <AddressField c={c} field="bcc" label={t("compose.bcc")} />}
			<div class="address-field">
				<label for={subjectId}>{t("compose.subject")}</label>
				<input id={subjectId} ref={subject} class="address-input" dir="auto" value={l.subject} maxLength={900} onInput={(e) => c.set({ subject: e.currentTarget.value })}
					onKeyDown={(e) => {
						// Enter goes on to the text; it never sends
						if (e.key !== "Enter" || c.guard.owns(e) || e.ctrlKey || e.metaKey)
							return;
						e.preventDefault();
						if (c.editor)
							c.editor.focus();
						else
							subject.current?.closest(".composer-body")?.querySelector<HTMLElement>(".plain-text")?.focus();
					}} />
			</div>
		</div>
	);
}

function Foot({ c, ask }: { c: Composer; ask: Asking }) {
	const files = useRef<HTMLInputElement>(null);
	const isRich = c.letter.value.format === "rich";
	const toggle = async () => {
		if (isRich && c.losesByPlain() && !await confirmDialog(t("compose.toPlain"), t("compose.losesFormat"), t("compose.toPlain")))
			return;
		await c.changeFormat();
	};
	const discard = async () => {
		if (c.isEmpty() || await confirmDialog(t("compose.discard"), t("compose.discardWhy"), t("compose.discard"), true))
			void c.discard();
	};
	return (
		<footer class="composer-foot">
			<div class="send-buttons">
				<Button kind="primary" label={t("compose.send")} keyName="Ctrl+Enter" onClick={() => ask.send({})} />
				<Button kind="primary" icon="down" label={t("compose.sendHow")} popup="menu" onClick={(e) => openMenu(t("compose.sendHow"), sendMenu(c, ask), e.currentTarget)} />
			</div>
			<Button kind="plain" icon="attach" label={t("compose.attach")} onClick={() => files.current?.click()} />
			<input type="file" ref={files} hidden multiple onChange={(e) => {
				c.addFiles([...e.currentTarget.files ?? []], false);
				e.currentTarget.value = "";
			}} />
			<Button kind="plain" label={isRich ? t("compose.toPlain") : t("compose.toRich")} class="format-toggle" onClick={() => void toggle()} />
			<SaveState c={c} />
			<Button kind="plain" icon="trash" label={t("compose.discard")} onClick={() => void discard()} />
		</footer>
	);
}

function sendMenu(c: Composer, ask: Asking): MenuEntry[] {
	const entries: MenuEntry[] = [{ label: t("compose.sendNow"), icon: "sent", run: () => ask.send({}) }];
	if (c.letter.value.origin?.how === "reply")
		entries.push({ label: t("compose.sendArchive"), icon: "archive", run: () => ask.send({ archive: true }) });
	const now = new Date(), max = maxDelay() * 1000;
	if (max > 0) {
		entries.push("rule", { title: t("compose.schedule") });
		for (const { choice, at } of scheduleChoices(now))
			if (at.getTime() - now.getTime() <= max)
				entries.push({ label: t(`compose.schedule.${choice}`), keyName: clockTime(at), icon: "scheduled", run: () => ask.send({ at }) });
		entries.push({ label: t("compose.schedulePick"), run: () => ask.pick() });
	}
	return entries;
}

function SaveState({ c }: { c: Composer }) {
	const s = c.draft.value;
	let line = draftLine(s) as string;
	if (isLoginLost.value && (line === "saving" || line === "unsaved"))
		line = "locked";
	if (c.phase.value === "sending" || c.phase.value === "unsure")
		line = c.phase.value;
	const words = line === "none" || line === "unsaved" ? "" : line === "saved" ? t("compose.state.saved", { time: clockTime(new Date(s.savedAt)) }) : t(`compose.state.${line}`);
	return (
		<span class={`save-state ${line}`} role="status" title={line === "failing" ? c.saveProblem.value : s.savedAt ? fullDate(new Date(s.savedAt).toISOString()) : ""}>{words}</span>
	);
}
