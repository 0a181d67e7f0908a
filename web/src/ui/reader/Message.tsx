// One message as a card: folded to a line, or open with header, facts, body, files.

import { signal } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import { firstName, sameAddress, shortName } from "../../core/address";
import { dangerOf, stripParts } from "../../core/attachment";
import { ownResults, verdictOf } from "../../core/authres";
import { fullDate, shortDate } from "../../core/dates";
import { type Fact, type FactAction, factsOf, listNameOf, unsubscribeOf } from "../../core/facts-of-mail";
import { htmlToText } from "../../core/html-text";
import { formatSize, t } from "../../core/i18n";
import { changeSettings, settings } from "../../core/settings";
import type { Email, EmailAddress, EmailBodyPart } from "../../core/types";
import { jmap, store } from "../app";
import { openComposer } from "../compose/compose";
import { Button, Chip, Icon, Spinner, confirmDialog, toast } from "../kit/kit";
import { Attachments } from "./Attachments";
import { here } from "../spaces";
import { Facts } from "./Facts";
import { Frame, type FrameReport, type Paper } from "./Frame";
import { type FullEmail, type SenderFacts, authservId, loadFull, loadWhole, pictureOfPart, senderFacts } from "./load";
import { mailto } from "./mailto";
import { Text } from "./Text";

// ---- light and dark ----

const systemDark = signal(false);
{
	const m = matchMedia("(prefers-color-scheme: dark)");
	systemDark.value = m.matches;
	m.addEventListener("change", () => { systemDark.value = m.matches; });
}
export const isDark = (): boolean => settings.value.theme === "dark" || (settings.value.theme === "system" && systemDark.value);

// ---- people ----

export function ownAddresses(): string[] {
	return [...store.identity.all.value.map((i) => i.email), jmap.session.value?.username ?? ""].filter((a) => a.includes("@"));
}
export const isOwn = (a: EmailAddress | undefined): boolean => !!a && ownAddresses().some((o) => sameAddress(o, a.email));
const called = (a: EmailAddress): string => (isOwn(a) ? t("reader.me") : shortName(a));

export function Avatar({ who }: { who: EmailAddress | undefined }) {
	const name = who ? shortName(who) : "?";
	const letter = [...name.replace(/^[^\p{L}\p{N}]+/u, "")][0]?.toLocaleUpperCase() ?? "?";
	let n = 0;
	for (const ch of who?.email.toLowerCase() ?? "")
		n = (n * 31 + ch.codePointAt(0)!) >>> 0;
	return <span class={`avatar tint-${n % 8}`} aria-hidden>{letter}</span>;
}

/** "to me, Bob +3" */
export function recipientsLine(email: Email): string {
	const all = [...email.to ?? [], ...email.cc ?? [], ...email.bcc ?? []];
	if (!all.length)
		return t("reader.toNobody");
	const mine = all.filter(isOwn).slice(0, 1), others = all.filter((a) => !isOwn(a));
	const named = [...mine, ...others].slice(0, 2).map((a) => (isOwn(a) ? t("reader.me") : firstName(a)));
	const more = mine.length + others.length - named.length;
	return t(more > 0 ? "reader.toMore" : "reader.to", { who: named.join(t("reader.comma")), more });
}

// ---- the folded line ----

export function FoldedCard({ email, onOpen, isCurrent }: { email: Email; onOpen(): void; isCurrent: boolean }) {
	const from = email.from?.[0];
	const isDraft = !!email.keywords.$draft && !here.value.id; // others' drafts are read, not gone on with
	return (
		<article class={`card folded${email.keywords.$seen ? "" : " unread"}${isCurrent ? " current" : ""}`} data-email={email.id}>
			<button type="button" class="card-line" aria-expanded={false} onClick={() => (isDraft ? openComposer({ kind: "draft", emailId: email.id }) : onOpen())}>
				<Avatar who={from} />
				<span class="card-who" dir="auto">{from ? called(from) : t("reader.noSender")}</span>
				{isDraft && <Chip kind="wait" label={t("reader.draft")} />}
				<span class="card-preview quiet" dir="auto">{email.preview}</span>
				{email.hasAttachment && <Icon name="attach" title={t("reader.hasAttachment")} />}
				{email.keywords.$flagged && <Icon name="star" filled title={t("reader.starred")} />}
				<time class="quiet" dateTime={email.receivedAt} title={fullDate(email.receivedAt)}>{shortDate(email.receivedAt)}</time>
			</button>
		</article>
	);
}

// ---- the open card ----

export interface CardActions {
	onFold(): void;
	onReply(kind: "reply" | "reply-all" | "forward"): void;
	onMore(at: Element): void;
	onMessage(part: EmailBodyPart): void;
}
export interface CardLook { isPlain: boolean; paper: Paper | null }

export function OpenCard({ email, look, onLook, actions, isCurrent, canFold }: { email: Email; look: CardLook; onLook(l: CardLook): void; actions: CardActions;
	isCurrent: boolean; canFold: boolean }) {
	const [full, setFull] = useState<FullEmail | null>(null);
	const [failure, setFailure] = useState(false);
	const [tries, setTries] = useState(0);
	useEffect(() => {
		let isOver = false;
		setFailure(false);
		loadFull(email.id).then((f) => !isOver && setFull(f), () => !isOver && setFailure(true));
		return () => { isOver = true; };
	}, [email.id, tries]);
	const whole = async () => {
		try {
			setFull(await loadWhole(email.id));
		} catch {
			toast({ text: t("reader.loadFailed"), kind: "bad" });
		}
	};
	const from = email.from?.[0];
	return (
		<article class={`card open${isCurrent ? " current" : ""}`} data-email={email.id} aria-label={t("reader.cardLabel", { who: from ? shortName(from) : t("reader.noSender"), when: fullDate(email.receivedAt) })}>
			<CardHeader email={full ?? email} full={full} actions={actions} look={look} onLook={onLook} canFold={canFold} />
			{failure ? (
				<div class="loading" role="alert">
					<span>{t("reader.loadFailed")}</span>
					<Button label={t("reader.tryAgain")} onClick={() => setTries(tries + 1)} />
				</div>
			) : full ? <Content email={full} look={look} onMessage={actions.onMessage} onWhole={() => void whole()} /> : <Spinner />}
		</article>
	);
}

function CardHeader({ email, full, actions, look, onLook, canFold }: { email: Email; full: FullEmail | null; actions: CardActions; look: CardLook;
	onLook(l: CardLook): void; canFold: boolean }) {
	const [isOpen, setOpen] = useState(false);
	const from = email.from?.[0];
	const hasHtml = !!full && full.htmlBody.some((p) => p.type === "text/html");
	const isPaperSwitch = isDark() && hasHtml && !look.isPlain;
	return (
		<header class="card-header" onClick={(e) => {
			if (canFold && e.target === e.currentTarget)
				actions.onFold();
		}}>
			<Avatar who={from} />
			<div class="card-people">
				<h2 class="card-from" tabIndex={-1}>
					<bdi class="from-name">{from ? (isOwn(from) && !from.name ? t("reader.me") : shortName(from)) : t("reader.noSender")}</bdi>
					{from && <> <bdi class="from-address">&lt;{from.email}&gt;</bdi></>}
				</h2>
				<button type="button" class="recipients" aria-expanded={isOpen} aria-label={t("reader.recipients", { line: recipientsLine(email) })} onClick={() => setOpen(!isOpen)}>
					<span dir="auto">{recipientsLine(email)}</span><Icon name={isOpen ? "up" : "down"} />
				</button>
			</div>
			<div class="card-side">
				<time class="quiet" dateTime={email.receivedAt} title={fullDate(email.receivedAt)}>{shortDate(email.receivedAt)}</time>
				<div class="card-actions" role="group" aria-label={t("reader.actions")}>
					{isPaperSwitch && <Button kind="plain" icon={look.paper === "light" ? "moon" : "sun"} label={t(look.paper === "light" ? "reader.darkPaper" : "reader.lightPaper")}
						onClick={() => onLook({ ...look, paper: look.paper === "light" ? "dark" : "light" })} />}
					<Button kind="plain" icon="reply" label={t("reader.reply")} keyName="r" onClick={() => actions.onReply("reply")} />
					<Button kind="plain" icon="reply-all" label={t("reader.replyAll")} keyName="a" onClick={() => actions.onReply("reply-all")} />
					<Button kind="plain" icon="forward" label={t("reader.forward")} keyName="f" onClick={() => actions.onReply("forward")} />
					<Button kind="plain" icon="more" label={t("reader.more")} keyName="." popup="menu" onClick={(e) => actions.onMore(e.currentTarget)} />
				</div>
			</div>
			{isOpen && <People email={email} />}
		</header>
	);
}

function People({ email }: { email: Email }) {
	const rows: [string, EmailAddress[] | null | undefined][] = [
		[t("reader.field.from"), email.from], [t("reader.field.sender"), email.sender?.length && !sameAddress(email.sender[0]!.email, email.from?.[0]?.email ?? "") ? email.sender : null],
		[t("reader.field.replyTo"), email.replyTo], [t("reader.field.to"), email.to], [t("reader.field.cc"), email.cc], [t("reader.field.bcc"), email.bcc],
	];
	return (
		<dl class="people">
			{rows.filter(([, list]) => list?.length).map(([name, list]) => (
				<div key={name}><dt>{name}</dt><dd>{list!.map((a, i) => (
					<span class="people-one" key={i}><bdi>{a.name ? `${a.name} ` : ""}</bdi><bdi class="address">&lt;{a.email}&gt;</bdi></span>
				))}</dd></div>
			))}
			<div><dt>{t("reader.field.date")}</dt><dd>{fullDate(email.sentAt ?? email.receivedAt)}</dd></div>
			{email.messageId?.[0] && <div><dt>{t("reader.field.id")}</dt><dd class="address">{email.messageId[0]}</dd></div>}
			<div><dt>{t("reader.field.size")}</dt><dd>{formatSize(email.size)}</dd></div>
		</dl>
	);
}

// ---- what it says ----

const NOTHING: FrameReport = { remote: 0, failed: 0, cids: new Set(), links: [], linkHosts: [], looksGoodInDark: true };

export function Content({ email, look, onMessage, onWhole }: { email: FullEmail; look: CardLook; onMessage(part: EmailBodyPart): void;
	onWhole?: () => void }) {
	const [report, setReport] = useState<Record<string, FrameReport>>({});
	const [sender, setSender] = useState<SenderFacts>({ isFirst: null, isContact: false, namesake: null });
	const [isLoaded, setLoaded] = useState(false);
	const [busy, setBusy] = useState<ReadonlySet<FactAction>>(new Set());
	const from = email.from?.[0];
	const own = isOwn(from);
	const methods = useMemo(() => ownResults(email.headers ?? [], authservId()), [email]);
	const verdict = verdictOf(methods, from?.email ?? "");
	const canAlways = !!from && verdict.kind !== "fail" && verdict.kind !== "none";
	const isTrusted = canAlways && (settings.value.imageSenders.some((a) => sameAddress(a, from.email)) || (settings.value.images === "contacts" && sender.isContact));
	const images = isLoaded || isTrusted;

	useEffect(() => {
		if (!email.id || own || email.keywords.$draft)
			return;
		let isOver = false;
		void senderFacts(email).then((s) => !isOver && setSender(s));
		return () => { isOver = true; };
	}, [email.id]);

	const all = useMemo(() => {
		const list = Object.values(report);
		return list.length === 1 ? list[0]! : list.reduce((a, b) => ({ remote: a.remote + b.remote, failed: a.failed + b.failed, cids: new Set([...a.cids, ...b.cids]),
			links: [...a.links, ...b.links], linkHosts: [...a.linkHosts, ...b.linkHosts], looksGoodInDark: a.looksGoodInDark && b.looksGoodInDark }), NOTHING);
	}, [report]);
	const unsubscribe = useMemo(() => (own || here.peek().id ? null : unsubscribeOf(email["header:List-Unsubscribe:asURLs"], email["header:List-Unsubscribe-Post:asText"])), [email]);
	const parts = look.isPlain ? email.textBody : email.htmlBody;
	const files = useMemo(() => stripParts(email.attachments, look.isPlain ? new Set() : all.cids), [email, all.cids, look.isPlain]);
	const facts: Fact[] = factsOf({
		from: from ?? null, replyTo: email.replyTo ?? [], isOwn: own, methods, isFirst: sender.isFirst, namesake: sender.namesake,
		blockedImages: images || look.isPlain ? 0 : all.remote, canAlways, unsubscribe, listName: listNameOf(email["header:List-Id:asText"]),
		links: all.links, linkHosts: all.linkHosts, files: files.map((f) => ({ name: f.name ?? "", danger: dangerOf(f) })),
	});
	const act = async (a: FactAction) => {
		if (a === "loadImages") {
			setLoaded(true);
		} else if (a === "alwaysImages" && from) {
			changeSettings({ imageSenders: [...settings.value.imageSenders.filter((x) => !sameAddress(x, from.email)), from.email.toLowerCase()].slice(-500) });
			toast({ text: t("reader.alwaysDone", { who: from.email }) });
		} else if (a === "unsubscribe" && unsubscribe) {
			setBusy(new Set([a]));
			await unsubscribeFrom(email, unsubscribe).catch(() => toast({ text: t("reader.unsubscribeFailed"), kind: "bad" }));
			setBusy(new Set());
		}
	};
	const paper: Paper = look.paper ?? (isDark() && all.looksGoodInDark ? "dark" : "light");
	const name = from ? shortName(from) : "";
	const isCut = parts.some((p) => p.partId && email.bodyValues[p.partId]?.isTruncated);
	const isBroken = parts.some((p) => p.partId && email.bodyValues[p.partId]?.isEncodingProblem);
	return (
		<>
			<Facts facts={facts} busy={busy} sender={from?.email ?? ""} onAction={(a) => void act(a)} />
			{images && all.failed > 0 && <p class="note quiet">{t("reader.imagesFailed", { n: all.failed })}</p>}
			{isBroken && <p class="note quiet">{t("reader.charsetProblem")}</p>}
			<div class="card-body">
				{parts.map((p, i) => (
					<BodyPart key={(p.partId ?? "") + p.blobId + i} part={p} email={email} isPlain={look.isPlain} images={images} paper={paper}
						title={t("reader.frameTitle", { who: name })} onReport={(r) => setReport((old) => ({ ...old, [p.partId ?? i]: r }))} />
				))}
				{!parts.length && <p class="quiet">{t("reader.empty")}</p>}
			</div>
			{isCut && onWhole && <p class="note"><Button small label={t("reader.showAll", { size: formatSize(email.size) })} onClick={onWhole} /></p>}
			<Attachments parts={files} onMessage={onMessage} />
		</>
	);
}

function BodyPart({ part, email, isPlain, images, paper, title, onReport }: { part: EmailBodyPart; email: FullEmail; isPlain: boolean; images: boolean; paper: Paper;
	title: string; onReport(r: FrameReport): void }) {
	const value = part.partId ? email.bodyValues[part.partId]?.value : undefined;
	const contentType = part["header:Content-Type:asRaw" as keyof EmailBodyPart] as string | null | undefined;
	const inline = useMemo(() => [...email.attachments, ...email.htmlBody].filter((p) => p.cid), [email]);
	if (part.type === "text/html" && value !== undefined)
		return isPlain ? <HtmlAsText html={value} /> : <Frame html={value} title={title} parts={inline} images={images} paper={paper} onReport={onReport} />;
	if (part.type.startsWith("image/"))
		return <InlineImage part={part} />;
	if (value !== undefined)
		return <Text text={value} contentType={contentType} />;
	return null;
}
function HtmlAsText({ html }: { html: string }) {
	const text = useMemo(() => htmlToText(html), [html]);
	return <Text text={text} />;
}
function InlineImage({ part }: { part: EmailBodyPart }) {
	const [url, setUrl] = useState<string | null>(null);
	useEffect(() => {
		let made: string | null = null, isOver = false;
		void pictureOfPart(part).then((u) => {
			made = u;
			if (isOver && u)
				URL.revokeObjectURL(u);
			else
				setUrl(u);
		}, () => {});
		return () => {
			isOver = true;
			if (made)
				URL.revokeObjectURL(made);
		};
	}, [part.blobId]);
	return url ? <img class="inline-image" src={url} alt={part.name ?? ""} /> : null;
}

// ---- leaving a list ----

async function unsubscribeFrom(email: FullEmail, how: NonNullable<ReturnType<typeof unsubscribeOf>>): Promise<void> {
	const list = listNameOf(email["header:List-Id:asText"]) ?? email.from?.[0]?.email ?? "";
	if (how.isOneClick) {
		if (!await confirmDialog(t("reader.unsubscribeTitle"), t("reader.unsubscribeText", { list, host: new URL(how.web!).hostname }), t("reader.act.unsubscribe")))
			return;
		const answer = await fetch("/jmap/unsubscribe", { method: "POST", credentials: "same-origin", body: JSON.stringify({ accountId: jmap.accountId, emailId: email.id }),
			headers: { "Content-Type": "application/json", "X-Yizhan": "1" } });
		if (answer.status === 401)
			jmap.ended();
		if (!answer.ok)
			throw new Error(String(answer.status));
		toast({ text: t("reader.unsubscribed", { list }) });
	} else if (how.mailto) {
		mailto(how.mailto);
	} else if (how.web && await confirmDialog(t("reader.unsubscribeTitle"), t("reader.unsubscribePage", { host: new URL(how.web).hostname }), t("reader.openPage"))) {
		window.open(how.web, "_blank", "noopener,noreferrer");
	}
}

