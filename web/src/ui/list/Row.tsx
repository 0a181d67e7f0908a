// One row: a conversation, or a mail.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { firstName, shortName } from "../../core/address";
import { fullDate, shortDate, spokenDate } from "../../core/dates";
import { t } from "../../core/i18n";
import { settings } from "../../core/settings";
import type { Email, EmailAddress, Id } from "../../core/types";
import { type Piece, cutText, fromMark } from "../../core/snippet";
import { jmap, store } from "../app";
import { Chip, Icon } from "../kit/kit";
import { width } from "../shell/width";
import type { Space } from "../spaces";
import type { Snippet } from "./snippets";

export interface RowFacts {
	email: Email;
	emails: Email[];
	isUnread: boolean;
	isStarred: boolean;
	hasAttachment: boolean;
	isDraft: boolean;
	isAnswered: boolean;
	people: string;
	subject: string;
	labels: { name: string; color: string }[];
}

const PEOPLE_MAX = 3;

/** What a row says, of all mails of its conversation. */
export function rowFacts({ store, mail }: Space, id: Id, isCollapsed: boolean, mailboxId?: Id): RowFacts | null {
	const email = store.email.get(id);
	if (!email)
		return null;
	const ids = isCollapsed ? store.thread.get(email.threadId)?.emailIds : undefined;
	const found = (ids ?? [id]).map((i) => store.email.get(i)).filter((e): e is Email => !!e);
	const trash = mail.byRole("trash")?.id, junk = mail.byRole("junk")?.id;
	const isAway = (e: Email) => Object.keys(e.mailboxIds).every((m) => m === trash || m === junk);
	const kept = found.filter((e) => isAway(e) === isAway(email));
	const emails = kept.length ? kept : [email];
	const role = mailboxId ? store.mailbox.get(mailboxId)?.role : undefined;
	const isOutgoing = role === "sent" || role === "drafts" || role === "scheduled";
	const named = settings.value.labels.filter((l) => emails.some((e) => e.keywords[l.keyword]));
	return {
		email, emails,
		isUnread: emails.some((e) => !e.keywords.$seen && !e.keywords.$draft),
		isStarred: emails.some((e) => e.keywords.$flagged),
		hasAttachment: emails.some((e) => e.hasAttachment),
		isDraft: emails.some((e) => e.keywords.$draft),
		isAnswered: !!email.keywords.$answered,
		people: people(isOutgoing ? (email.to?.length ? email.to : email.cc ?? []) : emails.flatMap((e) => e.from ?? []), isOutgoing),
		subject: email.subject?.trim() || t("list.noSubject"),
		labels: named,
	};
}
function people(list: EmailAddress[], isOutgoing: boolean): string {
	const seen = new Map<string, EmailAddress>();
	for (const a of list)
		if (!seen.has(a.email.toLowerCase()))
			seen.set(a.email.toLowerCase(), a);
	const all = [...seen.values()];
	if (!all.length)
		return isOutgoing ? t("list.noRecipient") : t("list.noSender");
	const own = new Set([...store.identity.all.value.map((i) => i.email), jmap.session.value?.username ?? ""].map((a) => a.toLowerCase()));
	const called = (a: EmailAddress) => own.has(a.email.toLowerCase()) ? t("list.me") : all.length === 1 ? shortName(a) : firstName(a);
	const names = all.map(called);
	const text = names.length > PEOPLE_MAX ? [names[0], "…", ...names.slice(-2)].join(t("list.comma")) : names.join(t("list.comma"));
	return isOutgoing ? t("list.to", { who: text }) : text;
}

/** All of it in words, for who does not see it. */
export function rowLabel(f: RowFacts): string {
	return [f.isUnread ? t("list.unread") : "", f.isDraft ? t("list.draft") : "", f.people, f.emails.length > 1 ? t("list.messages", { n: f.emails.length }) : "", f.subject,
		f.hasAttachment ? t("list.hasAttachment") : "", f.isStarred ? t("list.starred") : "", f.isAnswered ? t("list.answered") : "",
		...f.labels.map((l) => t("list.labelled", { name: l.name })), spokenDate(f.email.receivedAt)].filter(Boolean).join(", ");
}

export interface RowProps {
	space: Space; id: Id | undefined; index: number; total: number; isCollapsed: boolean; mailboxId?: Id; isSelected: boolean; isCursor: boolean; isOpen: boolean; isSelecting: boolean;
	chip?: { kind: "bad" | "wait" | "later"; text: string };
	snippet?: Snippet;
}

function Marked({ of, otherwise }: { of: Piece[] | null | undefined; otherwise: string }) {
	return <>{of ? of.map((p, i) => p.isMark ? <mark key={i}>{p.text}</mark> : p.text) : otherwise}</>;
}

/** Subject and beginning of the text. When the line ends before the first mark of a search, less stands before that mark. */
function Words({ subject, preview, snippet }: { subject: string; preview: string; snippet?: Snippet }) {
	const ref = useRef<HTMLSpanElement>(null);
	const [cut, setCut] = useState<{ of: Snippet; subject: number } | null>(null);
	useLayoutEffect(() => {
		const fits = snippet && subjectThatFits(ref.current!);
		if (fits !== undefined)
			setCut({ of: snippet!, subject: fits });
	}, [snippet]);
	const max = cut && cut.of === snippet ? cut.subject : null;
	const head = snippet?.subject, tail = snippet?.preview;
	const isInHead = !!head?.some((p) => p.isMark);
	return (
		<>
			<span class="row-subject" ref={ref}><Marked of={max === null ? head : isInHead ? fromMark(head!, max) : null} otherwise={max === null ? subject : cutText(subject, max)} /></span>
			<span class="row-preview"> <Marked of={max === null || isInHead || !tail ? tail : fromMark(tail)} otherwise={preview} /></span>
		</>
	);
}
const DOTS_PX = 14, SUBJECT_SHARE = 0.5;
/** How many characters of the subject leave room for the mark behind it; undefined when a mark is seen as it is. */
function subjectThatFits(subject: HTMLElement): number | undefined {
	const box = subject.parentElement!, marks = [...box.querySelectorAll("mark")].map((m) => m.getBoundingClientRect());
	const end = box.getBoundingClientRect(), isRtl = getComputedStyle(box).direction === "rtl", isWide = box.scrollWidth > box.clientWidth;
	const isSeen = (m: DOMRect) => m.bottom < end.bottom + 4 && (!isWide || (isRtl ? m.left > end.left + DOTS_PX : m.right < end.right - DOTS_PX));
	if (!marks.length || marks.some(isSeen))
		return undefined;
	const lines = [...subject.getClientRects()], taken = lines.reduce((sum, r) => sum + r.width, 0), first = lines[0];
	const room = first ? isRtl ? first.right - end.left : end.right - first.left : 0;
	return Math.max(4, Math.floor(Array.from(subject.textContent!).length * room * SUBJECT_SHARE / Math.max(1, taken)));
}

/** Parts that can be clicked say so by data-act; the list listens once for all. They are no buttons: an option has no
 * children for screen readers, who use the keys and the toolbar. */
export function Row(p: RowProps) {
	const f = p.id === undefined ? null : rowFacts(p.space, p.id, p.isCollapsed, p.mailboxId);
	if (!f)
		return (
			<div class="row skeleton" role="option" id={`row-${p.index}`} aria-setsize={p.total} aria-posinset={p.index + 1} aria-selected="false"
				aria-label={t("kit.loading")} data-index={p.index}><span class="bone short" /><span class="bone" /></div>
		);
	return (
		<div class={`row${f.isUnread ? " unread" : ""}${p.isCursor ? " cursor" : ""}${p.isOpen ? " open" : ""}${p.isSelecting ? " selecting" : ""}`} role="option" id={`row-${p.index}`}
			aria-setsize={p.total} aria-posinset={p.index + 1} aria-selected={p.isSelected} data-index={p.index} data-id={f.email.id} draggable>
			<span class="sr-only row-label">{rowLabel(f)}</span>
			<span class="row-dot" aria-hidden title={f.isUnread ? t("list.unread") : undefined} />
			<span class="row-check" data-act="select" aria-hidden><span class="box">{p.isSelected && <Icon name="check" />}</span></span>
			<span class="row-people" dir="auto" aria-hidden>{f.isDraft && <span class="row-draft">{t("list.draft")} </span>}{f.people}
				{f.emails.length > 1 && <span class="row-n"> {f.emails.length}</span>}</span>
			<span class="row-time" aria-hidden title={fullDate(f.email.receivedAt)}>{shortDate(f.email.receivedAt)}</span>
			<span class="row-text" dir="auto" aria-hidden>
				{p.chip && <span class={`chip ${p.chip.kind}`} data-act="trace">{p.chip.text}</span>}
				{f.labels.map((l) => <Chip key={l.name} label={l.name} color={l.color} />)}
				<Words key={width.value} subject={f.subject} preview={f.email.preview} snippet={p.snippet} />
			</span>
			<span class="row-icons" aria-hidden>
				{f.isAnswered && <Icon name="reply" />}
				{f.hasAttachment && <Icon name="attach" />}
				<span class={`row-star${f.isStarred ? " on" : ""}`} data-act="star" title={t("list.star")}><Icon name="star" filled={f.isStarred} /></span>
			</span>
		</div>
	);
}
