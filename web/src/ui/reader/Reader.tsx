// A conversation: its messages as cards from the oldest to the newest, also those of other folders; what was read is
// folded to a line. (reader.css, i18n/reader.*.json)

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { addCatalogue, t } from "../../core/i18n";
import type { KeyBinding } from "../../core/keys";
import { back, formatRoute, go, route } from "../../core/router";
import { settings } from "../../core/settings";
import type { Email, EmailBodyPart, Id } from "../../core/types";
import en from "../../i18n/reader.en.json";
import { announce } from "../actions";
import { keys, store as ownStore } from "../app";
import { openComposer } from "../compose/compose";
import { Button, Chip, type MenuEntry, Spinner, openMenu } from "../kit/kit";
import { pickPlace } from "../folders/FolderPicker";
import { folderName } from "../folders/folder_names";
import { width } from "../shell/Shell";
import { here as hereNow, may, moveAcross, own } from "../spaces";
import { AttachedMessage } from "./Attached";
import { type CardLook, FoldedCard, OpenCard, isDark, isOwn } from "./Message";
import { PrintDialog } from "./Print";
import { sourceOf } from "../list/list_source";
import { type FullEmail, loadFull, loadThread, prefetchThread } from "./load";
import { type View, ViewDialog, saveEml } from "./Views";

addCatalogue(en, { "zh-CN": () => import("../../i18n/reader.zh-CN.json") });

export interface ReaderProps { threadId: Id; /** The folder it is read in; none for search. */ mailboxId?: Id }

const READ_AFTER_MS = 600;
const PREFETCH_AFTER_MS = 400;

/** The conversations beside this one in the list, so that the next key shows them at once. */
function usePrefetch(threadId: Id): void {
	useEffect(() => {
		const timer = setTimeout(() => {
			const r = route.value;
			const list = r.page === "mail" ? sourceOf(r)?.window : null;
			const at = list?.indexOfThread(threadId) ?? -1;
			if (!list || at < 0)
				return;
			for (const i of [at + 1, at - 1]) {
				const beside = hereNow.peek().store.email.peek((i >= 0 ? list.at(i) : undefined) ?? "")?.threadId;
				if (beside && beside !== threadId)
					void prefetchThread(beside).catch(() => {});
			}
		}, PREFETCH_AFTER_MS);
		return () => clearTimeout(timer);
	}, [threadId]);
}

export function Reader({ threadId, mailboxId }: ReaderProps) {
	const [failure, setFailure] = useState(false);
	const [tries, setTries] = useState(0);
	const space = hereNow.value, { store } = space;
	const ids = store.thread.get(threadId)?.emailIds;
	useEffect(() => {
		let isOver = false;
		setFailure(false);
		loadThread(threadId).catch(() => !isOver && setFailure(true));
		return () => { isOver = true; };
	}, [space.id, threadId, ids?.join(), tries]);
	useEffect(() => {
		const uses = (type: string, id: Id) => (type === "Thread" ? id === threadId : type === "Email" && !!store.thread.peek(threadId)?.emailIds.includes(id));
		store.users.add(uses);
		void ownStore.identity.loadAll().catch(() => {});
		return () => { store.users.delete(uses); };
	}, [space.id, threadId]);
	if (failure && !ids)
		return (
			<div class="loading" role="alert">
				<span>{t("reader.loadFailed")}</span>
				<Button label={t("reader.tryAgain")} onClick={() => setTries(tries + 1)} />
			</div>
		);
	const emails = (ids ?? []).map((id) => store.email.get(id)).filter((e): e is Email => !!e);
	const isWaiting = !ids || (ids.length > 0 && (ids ?? []).some((id) => !store.email.get(id) && !store.email.isGone(id)));
	if (store.thread.isGone(threadId) || (!isWaiting && emails.length === 0))
		return <p class="reader-empty quiet">{t("reader.gone")}</p>;
	if (isWaiting && emails.length < (ids?.length ?? 1))
		return <Spinner />;
	return <Conversation key={`${space.id} ${threadId}`} threadId={threadId} emails={emails} mailboxId={mailboxId} />;
}

/** Those that are shown: what lies in Trash or Junk only where one looks there. */
function shownOf(emails: Email[], mailboxId: Id | undefined): Email[] {
	const { mail } = hereNow.peek();
	const away = [mail.byRole("trash")?.id, mail.byRole("junk")?.id].filter((id): id is Id => !!id && id !== mailboxId);
	const here = emails.filter((e) => !Object.keys(e.mailboxIds).every((m) => away.includes(m)));
	return here.length ? here : emails;
}

function Conversation({ threadId, emails: all, mailboxId }: { threadId: Id; emails: Email[]; mailboxId?: Id }) {
	const space = hereNow.value, { mail } = space;
	const [isAllShown, setAllShown] = useState(false);
	const here = shownOf(all, mailboxId);
	const emails = isAllShown ? all : here;
	const first = useMemo(() => emails.find((e) => !e.keywords.$seen && !e.keywords.$draft) ?? null, [threadId]);
	const start = useMemo(() => new Set(emails.filter((e, i) => !e.keywords.$draft && (!e.keywords.$seen || i === lastOf(emails))).map((e) => e.id)), [threadId]);
	const [open, setOpen] = useState<ReadonlySet<Id>>(start);
	const [current, setCurrent] = useState<Id>(first?.id ?? emails[lastOf(emails)]!.id);
	const [looks, setLooks] = useState<Record<Id, CardLook>>({});
	const [view, setView] = useState<{ view: View; email: FullEmail } | null>(null);
	const [printed, setPrinted] = useState<Email[] | null>(null);
	const [attached, setAttached] = useState<EmailBodyPart | null>(null);
	const box = useRef<HTMLElement>(null);
	const card = (id: Id) => box.current?.querySelector<HTMLElement>(`[data-email="${CSS.escape(id)}"]`);
	const isDone = useRef(false);

	// the first unread one in sight; alone, the subject stays in sight too
	useEffect(() => {
		if (isDone.current)
			return;
		isDone.current = true;
		if (emails.findIndex((e) => e.id === current) > 0)
			card(current)?.scrollIntoView({ block: "start" });
	}, []);
	// what arrives while one reads comes open at the end, and moves nothing
	const seen = useRef(new Set(emails.map((e) => e.id)));
	useEffect(() => {
		const fresh = emails.filter((e) => !seen.current.has(e.id));
		fresh.forEach((e) => seen.current.add(e.id));
		const isNew = (e: Email) => !e.keywords.$seen && !e.keywords.$draft && emails.indexOf(e) === emails.length - 1;
		if (fresh.some(isNew))
			setOpen((o) => new Set([...o, ...fresh.filter(isNew).map((e) => e.id)]));
	}, [emails.map((e) => e.id).join()]);
	useMarkRead(emails, open);
	usePrefetch(threadId);

	const lookOf = (id: Id): CardLook => looks[id] ?? { isPlain: false, paper: null };
	const setLook = (id: Id, l: CardLook) => setLooks((o) => ({ ...o, [id]: l }));
	const toggle = (id: Id, isOpen: boolean) => {
		setOpen((o) => {
			const n = new Set(o);
			if (isOpen)
				n.add(id);
			else
				n.delete(id);
			return n;
		});
		setCurrent(id);
		setTimeout(() => card(id)?.querySelector<HTMLElement>(isOpen ? ".card-from" : ".card-line")?.focus({ preventScroll: true }), 0);
	};
	const reply = (kind: "reply" | "reply-all" | "forward", id: Id = current) => openComposer({ kind, emailId: id, accountId: space.id });
	const move = (step: number) => {
		const at = emails.findIndex((e) => e.id === current) + step;
		const to = emails[at];
		if (!to)
			return;
		setCurrent(to.id);
		if (!to.keywords.$draft)
			setOpen((o) => new Set([...o, to.id]));
		setTimeout(() => {
			const c = card(to.id);
			c?.scrollIntoView({ block: "start" });
			c?.querySelector<HTMLElement>(".card-from, .card-line")?.focus({ preventScroll: true });
		}, 0);
	};
	const leave = () => {
		const r = route.value;
		if (r.page === "mail")
			back({ ...r, threadId: undefined, traceId: undefined });
	};
	const isTold = !space.id; // one's own mail: its way and its labels are one's own too
	const unread = (from?: Email) => {
		if (!may(space, "maySetSeen", mailboxId ? space.store.mailbox.peek(mailboxId) : undefined, emails))
			return;
		const which = from ? emails.slice(emails.indexOf(from)) : emails;
		announce(mail.markRead(which.filter((e) => !e.keywords.$draft), false));
		leave();
	};
	const more = (e: Email, at: Element) => openMenu(t("reader.more"), moreEntries(e, {
		look: lookOf(e.id), setLook: (l) => setLook(e.id, l), view: (v) => void loadFull(e.id).then((email) => setView({ view: v, email }), () => {}),
		print: (list) => setPrinted(list), emails, unread: () => unread(e), trace: () => trace(e.id),
	}), at);
	const trace = (id: Id) => {
		if (!isTold)
			return;
		const r = route.value;
		go(r.page === "mail" ? formatRoute({ ...r, traceId: id }) : { page: "trace", id });
	};
	useKeys({
		n: () => move(1), p: () => move(-1), r: () => reply("reply"), a: () => reply("reply-all"), f: () => reply("forward"), "Shift+U": () => unread(),
		m: () => mute(emails), t: () => trace(current),
		".": () => {
			const e = emails.find((x) => x.id === current), at = card(current);
			if (e && at)
				more(e, at.querySelector(".card-actions button:last-child") ?? at);
		},
		";": () => setOpen(new Set(emails.filter((e) => !e.keywords.$draft).map((e) => e.id))),
		":": () => setOpen(new Set([current])),
	});

	const subject = all[0]?.subject?.trim() || t("reader.noSubject");
	const labels = settings.value.labels.filter((l) => emails.some((e) => e.keywords[l.keyword]));
	const last = emails.filter((e) => !e.keywords.$draft).slice(-1)[0];
	const folded = emails.filter((e) => !open.has(e.id)).length;
	return (
		<section class="reader" ref={box} aria-label={t("reader.conversation")}>
			{(width.value === "narrow" || settings.value.readerPane === "off") && <Toolbar emails={here} mailboxId={mailboxId} onLeave={leave} onUnread={() => unread()} />}
			<div class="subject-line">
				<h1 dir="auto">{subject}</h1>
				<div class="subject-side">
					{labels.map((l) => <Chip key={l.keyword} label={l.name} color={l.color} />)}
					{emails.length > 1 && <Button kind="plain" small label={t(folded ? "reader.openAll" : "reader.foldAll")}
						onClick={() => setOpen(folded ? new Set(emails.filter((e) => !e.keywords.$draft).map((e) => e.id)) : new Set([current]))} />}
					<Button kind="plain" icon="print" label={t("reader.printAll")} onClick={() => setPrinted(emails)} />
				</div>
			</div>
			{here.length < all.length && (
				<p class="note quiet">{t("reader.away", { n: all.length - here.length })} <Button small kind="plain" label={t(isAllShown ? "reader.hide" : "reader.show")} onClick={() => setAllShown(!isAllShown)} /></p>
			)}
			<div class="cards">
				{emails.map((e) => open.has(e.id)
					? <OpenCard key={e.id} email={e} look={lookOf(e.id)} onLook={(l) => setLook(e.id, l)} isCurrent={e.id === current} canFold={emails.length > 1}
						actions={{ onFold: () => toggle(e.id, false), onReply: (k) => reply(k, e.id), onMore: (at) => more(e, at), onMessage: setAttached }} />
					: <FoldedCard key={e.id} email={e} isCurrent={e.id === current} onOpen={() => toggle(e.id, true)} />)}
			</div>
			{last && <QuickReply email={last} onReply={(k) => reply(k, last.id)} />}
			{view && <ViewDialog view={view.view} email={view.email} onClose={() => setView(null)} />}
			{printed && <PrintDialog emails={printed} subject={subject} onClose={() => setPrinted(null)} />}
			{attached && <AttachedMessage part={attached} onClose={() => setAttached(null)} />}
		</section>
	);
}

/** The last that is no draft; at least the last. */
function lastOf(emails: Email[]): number {
	for (let i = emails.length - 1; i >= 0; i--)
		if (!emails[i]!.keywords.$draft)
			return i;
	return emails.length - 1;
}

/** What is open and in front of somebody becomes read after a moment; once, so that it can be made unread again. */
function useMarkRead(emails: Email[], open: ReadonlySet<Id>): void {
	const { store } = hereNow.value;
	const done = useRef(new Set<Id>());
	const due = emails.filter((e) => open.has(e.id) && !e.keywords.$seen && !done.current.has(e.id)).map((e) => e.id);
	useEffect(() => {
		if (!due.length)
			return;
		const mark = () => {
			if (document.visibilityState !== "visible")
				return;
			const may = due.filter((id) => store.email.peek(id) && Object.keys(store.email.peek(id)!.mailboxIds).some((m) => store.mailbox.peek(m)?.myRights.maySetSeen !== false));
			due.forEach((id) => done.current.add(id));
			if (may.length)
				store.change("Email", { update: Object.fromEntries(may.map((id) => [id, { "keywords/$seen": true }])) }).catch(() => {});
		};
		const timer = setTimeout(mark, Math.max(READ_AFTER_MS, settings.value.markReadSeconds * 1000));
		document.addEventListener("visibilitychange", mark);
		return () => {
			clearTimeout(timer);
			document.removeEventListener("visibilitychange", mark);
		};
	}, [due.join()]);
}

const KEYS = { n: "reader.key.next", p: "reader.key.previous", r: "reader.reply", a: "reader.replyAll", f: "reader.forward", "Shift+U": "reader.unread", m: "reader.mute",
	t: "reader.trace", ".": "reader.more", ";": "reader.openAll", ":": "reader.foldAll" } as const;
function useKeys(runs: Record<keyof typeof KEYS, () => void>): void {
	const now = useRef(runs);
	now.current = runs;
	useEffect(() => keys.add(Object.entries(KEYS).map(([k, label]): KeyBinding => ({ keys: k, label: t(label), group: t("reader.keys"), run: () => now.current[k as keyof typeof KEYS]() }))), []);
}

function mute(emails: Email[]): void {
	const space = hereNow.peek(), isMuted = emails.some((e) => e.keywords.$muted);
	if (space === own)
		announce(space.mail.setKeyword(emails, "$muted", !isMuted, t(isMuted ? "reader.unmuted" : "reader.muted")));
}

function Toolbar({ emails, mailboxId, onLeave, onUnread }: { emails: Email[]; mailboxId?: Id; onLeave(): void; onUnread(): void }) {
	const space = hereNow.value, { mail, store } = space;
	const act = (done: ReturnType<typeof mail.archive>) => {
		announce(done);
		onLeave();
	};
	const here = mailboxId ? emails.filter((e) => e.mailboxIds[mailboxId]) : emails;
	const isJunk = mailboxId === mail.byRole("junk")?.id;
	const isStarred = here.some((e) => e.keywords.$flagged);
	const box = mailboxId ? store.mailbox.get(mailboxId) : undefined;
	const mayMove = may(space, "mayRemoveItems", box, here);
	const move = async () => {
		const place = await pickPlace(t("list.moveTo"), (m) => m.myRights.mayAddItems && m.id !== mailboxId, space);
		if (!place)
			return;
		const to = place.mailbox, where = folderName(to);
		if (place.space === space)
			return act(mail.move(here, to, mailboxId, t("mail.moved", { n: here.length, where })));
		await moveAcross(space, place.space, here, to, where, box);
		onLeave();
	};
	return (
		<div class="reader-bar" role="toolbar" aria-label={t("reader.toolbar")}>
			<Button kind="plain" icon="back" label={t("reader.back")} keyName="u" onClick={onLeave} />
			<Button kind="plain" icon="archive" label={t("reader.archive")} keyName="e" disabled={!mayMove || !mail.byRole("archive")} onClick={() => act(mail.archive(here, mailboxId))} />
			<Button kind="plain" icon="trash" label={t("reader.delete")} keyName="#" disabled={!mayMove || !mail.byRole("trash")} onClick={() => act(mail.trash(here, mailboxId))} />
			<Button kind="plain" icon="junk" label={t(isJunk ? "reader.notJunk" : "reader.junk")} keyName="!" disabled={!mayMove || !mail.byRole(isJunk ? "inbox" : "junk")} onClick={() => act(mail.junk(here, !isJunk, mailboxId))} />
			<Button kind="plain" icon="move" label={t("list.move")} keyName="v" disabled={!mayMove} onClick={() => void move()} />
			<Button kind="plain" icon="star" filled={isStarred} pressed={isStarred} label={t("reader.star")} keyName="s" disabled={!may(space, "maySetKeywords", box, here)} onClick={() => announce(mail.star(isStarred ? here : here.slice(-1), !isStarred))} />
			<Button kind="plain" icon="unread" label={t("reader.unread")} keyName="Shift+U" disabled={!may(space, "maySetSeen", box, here)} onClick={onUnread} />
		</div>
	);
}

function QuickReply({ email, onReply }: { email: Email; onReply(kind: "reply" | "reply-all" | "forward"): void }) {
	const many = (email.to?.length ?? 0) + (email.cc?.length ?? 0) > 1;
	// to one's own letter one answers whom it went to
	const who = isOwn(email.from?.[0]) ? email.to?.[0] ?? email.cc?.[0] : (email.replyTo ?? email.from)?.[0];
	return (
		<div class="quick-reply">
			<button type="button" class="quick-box" onClick={() => onReply("reply")}>{t("reader.quickReply", { who: who?.name?.trim() || who?.email || "" })}</button>
			<div class="quick-buttons">
				<Button icon="reply" both label={t("reader.reply")} onClick={() => onReply("reply")} />
				{many && <Button icon="reply-all" both label={t("reader.replyAll")} onClick={() => onReply("reply-all")} />}
				<Button icon="forward" both label={t("reader.forward")} onClick={() => onReply("forward")} />
			</div>
		</div>
	);
}

interface MoreContext {
	look: CardLook; setLook(l: CardLook): void; view(v: View): void; print(list: Email[]): void; emails: Email[]; unread(): void; trace(): void;
}
function moreEntries(e: Email, c: MoreContext): MenuEntry[] {
	const space = hereNow.peek(), { mail } = space, isOwn = space === own;
	const isMuted = c.emails.some((x) => x.keywords.$muted);
	const isStarred = !!e.keywords.$flagged;
	return [
		{ label: t("reader.unreadFrom"), icon: "unread", disabled: !may(space, "maySetSeen", undefined, [e]), run: c.unread },
		{ label: t(isStarred ? "reader.unstar" : "reader.star"), icon: "star", disabled: !may(space, "maySetKeywords", undefined, [e]), run: () => announce(mail.star([e], !isStarred)) },
		{ label: t("reader.plain"), checked: c.look.isPlain, run: () => c.setLook({ ...c.look, isPlain: !c.look.isPlain }) },
		...(isDark() ? [{ label: t("reader.lightPaper"), checked: c.look.paper === "light", run: () => c.setLook({ ...c.look, paper: c.look.paper === "light" ? null : "light" }) }] : []),
		"rule",
		...(isOwn ? [{ label: t("reader.trace"), icon: "trace" as const, keyName: "t", run: c.trace }] : []),
		{ label: t("reader.view.source"), icon: "code", run: () => c.view("source") },
		{ label: t("reader.view.headers"), icon: "list-ul", run: () => c.view("headers") },
		{ label: t("reader.view.parts"), icon: "indent", run: () => c.view("parts") },
		"rule",
		{ label: t("reader.print"), icon: "print", run: () => c.print([e]) },
		{ label: t("reader.saveEml"), icon: "download", run: () => saveEml(e) },
		...(isOwn ? [{ label: t("reader.mute"), icon: "mute" as const, keyName: "m", checked: isMuted, run: () => mute(c.emails) }] : []),
	];
}
