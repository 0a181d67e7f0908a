// The list: fixed rows of which only those in sight exist, a toolbar whose buttons never move, and everything that can
// be done with what is chosen.

import { batch, useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { carry } from "../../core/across";
import { formatNumber, t } from "../../core/i18n";
import type { Done } from "../../core/mail";
import { type Route, formatRoute, go } from "../../core/router";
import { changeSettings, settings } from "../../core/settings";
import type { Email, Id, Mailbox, MailboxRights } from "../../core/types";
import { announce } from "../actions";
import { isListShown, jmap, keys } from "../app";
import { openComposer, openScheduled } from "../compose/compose";
import { pickLabel, pickPlace } from "../folders/FolderPicker";
import { createLabel, emptyFolder } from "../folders/folder_actions";
import { folderName, isReadOnly } from "../folders/folder_names";
import { type Space, here, may, moveAcross } from "../spaces";
import { Button, type IconName, type MenuEntry, Spinner, confirmDialog, openMenu, promptDialog, toast } from "../kit/kit";
import { ScopeChips, SearchProblems } from "../search/Found";
import { width } from "../shell/width";
import { BulkBar, startBulk } from "./bulk_bar";
import { deliveryChips } from "./delivery";
import { DRAG_TYPE, dragged } from "./drag";
import { type Source, searchSort, sourceOf } from "./list_source";
import { listKeys } from "./list_keys";
import { Row } from "./Row";
import { useSnippets } from "./snippets";
import { snoozeField, snoozeTimes } from "./snooze";

const ROW_PX = { compact: 36, normal: 56, roomy: 76 };
const TOUCH_MIN_PX = 44;
const OVERSCAN = 5;
const HEIGHT_MAX = 8_000_000; // browsers cap heights: beyond it scrolling is mapped

type MailRoute = Route & { page: "mail" };

export function List({ route: r }: { route: MailRoute }) {
	const source = sourceOf(r);
	if (!source)
		return <section class="list" aria-label={t("list.title")}>{here.value.store.mailbox.all.value.length ? <p class="list-empty">{t("list.noFolder")}</p> : <Spinner />}</section>;
	return <SourceList key={source.key} source={source} route={r} />;
}

function SourceList({ source, route: r }: { source: Source; route: MailRoute }) {
	const { window: win, mailbox, space } = source;
	const { store, mail } = space;
	const box = useRef<HTMLDivElement>(null), rows = useRef<HTMLDivElement>(null), tall = useRef<HTMLDivElement>(null);
	const top = useSignal(source.scrollTop), height = useSignal(600);
	const cursor = useSignal<Id | null>(source.cursor);
	const selected = useSignal<ReadonlySet<Id>>(NOTHING);
	const isAll = useSignal(false); // all that the query finds, also what was never looked at
	const anchorRow = useRef(-1); // of a range
	const fresh = useSignal(0); // came in above what is in sight
	const { conversations, density } = settings.value;
	const isTouch = matchMedia("(pointer: coarse)").matches;
	const rowPx = Math.max(ROW_PX[density], isTouch ? TOUCH_MIN_PX : 0);
	const count = win.count.value;
	void win.version.value;

	// ---- which rows are in sight ----
	const total = (count ?? 0) * rowPx;
	const real = Math.min(total, HEIGHT_MAX);
	const toVirtual = (y: number) => real === total || real <= height.value ? y : y / (real - height.value) * (total - height.value);
	const toReal = (y: number) => real === total || real <= height.value ? y : y / (total - height.value) * (real - height.value);
	const virtualTop = toVirtual(top.value);
	const first = Math.max(0, Math.floor(virtualTop / rowPx) - OVERSCAN);
	const last = Math.min((count ?? 0) - 1, Math.ceil((virtualTop + height.value) / rowPx) + OVERSCAN);

	useLayoutEffect(() => {
		const b = box.current!;
		const measure = new ResizeObserver(() => { height.value = b.clientHeight || height.peek(); });
		measure.observe(b);
		height.value = b.clientHeight || 600;
		b.scrollTop = source.scrollTop;
		return () => measure.disconnect();
	}, []);
	useLayoutEffect(() => {
		tall.current?.style.setProperty("block-size", real + "px");
		rows.current?.style.setProperty("transform", `translateY(${first * rowPx - virtualTop + top.value}px)`);
		rows.current?.style.setProperty("--row", rowPx + "px");
	});
	useEffect(() => {
		win.ensure(first, Math.max(last, first));
	}, [first, last, win.version.value]);

	// what is in sight stays where it is, whatever comes in above it
	const anchor = useRef<{ id: Id; index: number; threadId?: Id } | null>(null);
	useLayoutEffect(() => {
		const a = anchor.current, b = box.current;
		if (a && b && top.peek() > 0) {
			let at = win.indexOf(a.id);
			if (at < 0 && a.threadId)
				at = win.indexOfThread(a.threadId);
			if (at >= 0 && at !== a.index) {
				const by = at - a.index;
				if (by > 0)
					fresh.value += by;
				source.scrollTop = toReal(toVirtual(b.scrollTop) + by * rowPx);
				b.scrollTop = source.scrollTop;
				top.value = b.scrollTop;
			}
		}
		remember(true);
	}, [win.version.value]);
	/** What stands at the top. While nothing there is known, the one from before may come back: a list that is read anew. */
	function remember(isKept = false) {
		const index = Math.floor(toVirtual(top.peek()) / rowPx);
		for (let i = index; i < index + 10; i++) {
			const id = win.at(i);
			if (id) {
				anchor.current = { id, index: i, threadId: store.email.peek(id)?.threadId };
				return;
			}
		}
		if (!isKept)
			anchor.current = null;
	}

	// ---- who is meant ----
	const keyOf = (id: Id) => conversations ? store.email.peek(id)?.threadId ?? id : id;
	const chosenCount = isAll.value ? count ?? 0 : selected.value.size;
	const openIndex = r.threadId ? win.indexOfThread(r.threadId) : -1;
	const cursorIndex = useComputed(() => {
		void win.version.value;
		const c = cursor.value;
		return c === null ? -1 : win.indexOf(c) >= 0 ? win.indexOf(c) : win.indexOfThread(store.email.peek(c)?.threadId ?? "");
	});
	const lastCursor = useRef(-1);
	if (cursorIndex.value >= 0)
		lastCursor.current = cursorIndex.value;
	const emailsOf = (id: Id): Email[] => {
		const e = store.email.peek(id);
		if (!e)
			return [];
		return conversations ? mail.ofThread(e.threadId, mailbox?.id) : [e];
	};
	/** Rows: what is chosen, else what is open, else where the cursor is. */
	const targets = (): Id[] => {
		if (selected.value.size)
			return win.knownIds().filter((id) => selected.value.has(keyOf(id)));
		const at = openIndex >= 0 ? openIndex : cursorIndex.value;
		const id = at >= 0 ? win.at(at) : undefined;
		return id ? [id] : [];
	};
	const hasTarget = isAll.value || selected.value.size > 0 || openIndex >= 0 || cursorIndex.value >= 0;
	const targetEmails = () => targets().flatMap(emailsOf);
	const clear = () => batch(() => {
		selected.value = NOTHING;
		isAll.value = false;
	});

	const scrollTo = (i: number) => {
		const b = box.current!;
		const y = i * rowPx, at = toVirtual(b.scrollTop);
		if (y < at)
			b.scrollTop = toReal(y);
		else if (y + rowPx > at + b.clientHeight)
			b.scrollTop = toReal(y + rowPx - b.clientHeight);
	};
	useEffect(() => { isListShown.value ||= count !== null; }, [count === null]);
	const setCursor = (i: number) => {
		if (count === null || !count)
			return;
		const to = Math.min(count - 1, Math.max(0, i));
		win.ensure(to, to);
		const id = win.at(to);
		if (id) {
			cursor.value = id;
			source.cursor = id;
			lastCursor.current = to;
		}
		scrollTo(to);
	};
	const open = (i: number) => {
		const id = win.at(i), e = id ? store.email.peek(id) : undefined;
		if (!e)
			return;
		setCursor(i);
		if (e.keywords.$draft && mailbox?.role === "drafts")
			return openComposer({ kind: "draft", emailId: e.id });
		go({ ...r, threadId: e.threadId, traceId: undefined }, !!r.threadId && width.value !== "narrow");
	};
	const toggle = (i: number) => {
		const id = win.at(i);
		if (!id)
			return;
		const next = new Set(selected.value);
		if (!next.delete(keyOf(id)))
			next.add(keyOf(id));
		isAll.value = false;
		selected.value = next;
		anchorRow.current = i;
	};
	const range = (to: number) => {
		const from = anchorRow.current < 0 ? Math.max(0, cursorIndex.value) : anchorRow.current;
		const next = new Set(selected.value);
		for (let i = Math.min(from, to); i <= Math.max(from, to); i++) {
			const id = win.at(i);
			if (id)
				next.add(keyOf(id));
		}
		isAll.value = false;
		selected.value = next;
	};

	// ---- doing ----
	/** What was acted upon goes out of the list: where to then. */
	const after = () => {
		const at = openIndex;
		clear();
		if (!r.threadId || at < 0)
			return;
		if (settings.value.afterAction === "next" && win.count.value) {
			const id = win.at(Math.min(at, win.count.value - 1));
			const e = id ? store.email.peek(id) : undefined;
			if (e && e.threadId !== r.threadId)
				return go({ ...r, threadId: e.threadId }, true);
		}
		go({ ...r, threadId: undefined }, true);
	};
	const say = (done: Done | null, isLeaving = true) => {
		const was = lastCursor.current; // its row is hidden already
		announce(done);
		if (!done)
			return toast({ kind: "bad", text: t("list.noSuchFolder") });
		if (isLeaving) {
			after();
			if (was >= 0)
				setCursor(was);
		}
	};
	/** Rights of what is meant: one's own mail bears everything. */
	const can = (right: keyof MailboxRights) => may(space, right, mailbox, space.id && !mailbox ? targetEmails() : []);
	/** To all that the query finds: by the server, with progress. */
	const moveAll = (to: Id, text: string, done: (n: number) => string) => {
		const from = mailbox?.id;
		startBulk({ store, text, done, filter: source.filter, patch: from ? { [`mailboxIds/${from}`]: null, [`mailboxIds/${to}`]: true } : { mailboxIds: { [to]: true } },
			back: from ? { [`mailboxIds/${from}`]: true, [`mailboxIds/${to}`]: null } : undefined });
		clear();
	};
	const moveToRole = (role: string, run: (emails: Email[]) => Done | null, text: string, done: (n: number) => string) => {
		const to = mail.byRole(role)?.id;
		if (isAll.value && to)
			return moveAll(to, text, done);
		say(run(targetEmails()));
	};
	const isTrash = mailbox?.role === "trash", isJunk = mailbox?.role === "junk";
	const mayMove = can("mayRemoveItems"), mayLabel = can("maySetKeywords"), maySee = can("maySetSeen");
	const isForEver = isTrash || !mail.byRole("trash"); // others' trash may be out of sight
	const act = {
		archive: () => mayMove && moveToRole("archive", (e) => mail.archive(e, mailbox?.id), t("list.moving"), (n) => t("mail.archived", { n })),
		trash: async () => {
			if (!mayMove)
				return;
			if (!isForEver)
				return moveToRole("trash", (e) => mail.trash(e, mailbox?.id), t("list.moving"), (n) => t("mail.trashed", { n }));
			const emails = targetEmails();
			if (!await confirmDialog(t("list.destroyTitle"), t("list.destroyText"), t("list.destroy"), true))
				return;
			if (isAll.value) {
				startBulk({ store, text: t("list.destroying"), done: (n) => t("mail.destroyed", { n }), filter: source.filter, patch: null });
				return clear();
			}
			say(mail.destroy(emails));
		},
		junk: () => mayMove && moveToRole(isJunk ? "inbox" : "junk", (e) => mail.junk(e, !isJunk, mailbox?.id), t("list.moving"),
			(n) => isJunk ? t("mail.unjunked", { n }) : t("mail.junked", { n })),
		move: async () => {
			const emails = targetEmails(), all = isAll.value;
			const place = await pickPlace(t(mayMove ? "list.moveTo" : "list.copyTo"), (m) => m.myRights.mayAddItems && m.id !== mailbox?.id, space);
			if (!place)
				return;
			const to = place.mailbox;
			if (place.space !== space) {
				if (all)
					return carryAll(place.space, to);
				clear();
				await moveAcross(space, place.space, emails, to, folderName(to), mailbox);
				return mayMove ? after() : undefined;
			}
			if (all)
				return moveAll(to.id, t("list.moving"), (n) => t("mail.moved", { n, where: folderName(to) }));
			say(mail.move(emails, to, mailbox?.id, t("mail.moved", { n: emails.length, where: folderName(to) })));
		},
		label: async () => {
			if (!mayLabel)
				return;
			const emails = targetEmails(), all = isAll.value;
			const has = (k: string) => emails.length > 0 && emails.every((e) => e.keywords[k]);
			if (!settings.value.labels.length && !await createLabel())
				return;
			const keyword = await pickLabel(t("list.labelTitle"), has);
			const l = settings.value.labels.find((o) => o.keyword === keyword);
			if (!l)
				return;
			if (all) {
				startBulk({ store, text: t("list.changing"), done: (n) => t("mail.labelled", { n, name: l.name }), filter: source.filter,
					patch: { [`keywords/${l.keyword}`]: true }, back: { [`keywords/${l.keyword}`]: null } });
				return clear();
			}
			say(mail.label(emails, l.keyword, l.name, !has(l.keyword)), r.folder === "label");
		},
		read: (isRead?: boolean) => {
			if (!maySee)
				return;
			const emails = targetEmails();
			const to = isRead ?? emails.some((e) => !e.keywords.$seen);
			if (isAll.value) {
				startBulk({ store, text: t("list.changing"), done: (n) => to ? t("mail.read", { n }) : t("mail.unread", { n }),
					filter: { operator: "AND", conditions: [source.filter!, to ? { notKeyword: "$seen" } : { hasKeyword: "$seen" }] },
					patch: { "keywords/$seen": to ? true : null }, back: { "keywords/$seen": to ? null : true } });
				return clear();
			}
			// of a conversation that is to be unread, the newest is enough
			const done = mail.markRead(to ? emails : targets().map((id) => store.email.peek(id)).filter((e): e is Email => !!e), to);
			announce(done);
			if (!to && r.threadId)
				go({ ...r, threadId: undefined }, true);
		},
		star: (ids = targets()) => {
			if (!mayLabel)
				return;
			const isOn = !ids.some((id) => emailsOf(id).some((e) => e.keywords.$flagged));
			mail.star(isOn ? ids.map((id) => store.email.peek(id)).filter((e): e is Email => !!e) : ids.flatMap(emailsOf), isOn);
		},
		snooze: (at: Element) => !space.id && openMenu(t("list.snooze"), snoozeTimes().map((s) => ({ label: s.label, keyName: s.hint, icon: "snooze" as IconName,
			run: () => void snooze(s.at) })), at),
		more: (at: Element) => openMenu(t("list.more"), moreEntries(), at),
		selectAll: () => {
			if (chosenCount)
				return clear();
			selected.value = new Set(win.knownIds().map(keyOf));
		},
	};
	function carryAll(to: Space, box: Mailbox) {
		const across = { from: store, to: to.store, mailboxId: box.id, outOf: mailbox?.id, isMove: mayMove };
		startBulk({ store, text: t("list.moving"), done: (n) => t(mayMove ? "mail.moved" : "mail.copied", { n, where: folderName(box) }), filter: source.filter, patch: null,
			carry: async (ids) => [...(await carry(across, ids)).ids.keys()] });
		clear();
	}
	async function snooze(at: Date | null) {
		const emails = targetEmails();
		let until = at;
		if (!until) {
			const said = await promptDialog(t("list.snooze"), t("list.snoozeWhen"), snoozeField(), t("list.snooze"),
				(v) => new Date(v) > new Date() ? null : t("list.snoozeWrong"), "", "datetime-local");
			until = said ? new Date(said) : null;
		}
		if (!until)
			return;
		say(mail.snooze(emails, until, mailbox?.id));
	}
	function moreEntries(): MenuEntry[] {
		const out: MenuEntry[] = [
			{ label: t("list.markUnread"), icon: "unread", keyName: "⇧U", disabled: !hasTarget || !maySee, run: () => act.read(false) },
			{ label: t("list.starIt"), icon: "star", keyName: "s", disabled: !hasTarget || !mayLabel, run: () => act.star() },
			{ label: t(isAll.value || targetEmails().length > 1 ? "list.saveZip" : "list.saveEml"), icon: "download", disabled: !hasTarget, run: () => {
				const what = isAll.value ? { filter: source.filter } : targetEmails();
				void import("./save_letters").then((m) => m.saveLetters(space, what, title), () => toast({ kind: "bad", text: t("list.zipFailed") }));
			} },
			"rule",
			{ label: t("list.selectAll"), icon: "list-ul", keyName: "*  a", run: act.selectAll },
			"rule",
			...(["compact", "normal", "roomy"] as const).map((d) => ({ label: t(`list.density.${d}`), checked: density === d, run: () => changeSettings({ density: d }) })),
			{ label: t("list.conversations"), checked: conversations, run: () => changeSettings({ conversations: !conversations }) },
		];
		if (r.folder === "search") {
			out.push("rule", { label: t("list.oldestFirst"), checked: searchSort.value === "oldest",
				run: () => { searchSort.value = searchSort.value === "oldest" ? "newest" : "oldest"; } },
			{ label: t("list.saveSearch"), icon: "search", run: () => void saveSearch(r.query ?? "") });
		}
		if (mailbox && (isTrash || isJunk))
			out.push("rule", { label: t("folders.empty"), icon: "trash", danger: true, disabled: !count || !mayMove, run: () => void emptyFolder(mailbox, space) });
		return out;
	}

	useEffect(() => keys.add(listKeys({ act, clear, open, setCursor, toggle, cursor: () => openIndex >= 0 && selected.value.size === 0 ? openIndex : cursorIndex.value,
		selected: () => chosenCount, at: () => box.current!, isOpen: !!r.threadId })));
	useEffect(() => {
		if (openIndex >= 0)
			setCursor(openIndex);
	}, [r.threadId]);

	const isSelecting = chosenCount > 0;
	const snippets = useSnippets(r.folder === "search" ? space : null, source.filter, visibleIds());
	const chips = deliveryChips(mailbox?.role === "sent" && !space.id ? visibleIds() : []);
	function visibleIds(): Id[] {
		const out: Id[] = [];
		for (let i = first; i <= last; i++) {
			const id = win.at(i);
			if (id)
				out.push(id);
		}
		return out;
	}
	const title = r.folder === "search" ? t("list.found", { n: count ?? 0 }) : r.folder === "label"
		? settings.value.labels.find((l) => l.keyword === r.label)?.name ?? r.label ?? "" : mailbox ? folderName(mailbox) : "";

	return (
		<section class="list" aria-label={title || t("list.title")}>
			<Toolbar act={act} isSelecting={isSelecting} hasTarget={hasTarget} isTrash={isForEver} isJunk={isJunk} may={{ move: mayMove, label: mayLabel, see: maySee, snooze: !space.id,
				archive: mayMove && !!mail.byRole("archive"), junk: mayMove && !!mail.byRole(isJunk ? "inbox" : "junk") }} isAllChosen={isAll.value || (!!count && selected.value.size >= count)}
				hasUnread={targetEmails().some((e) => !e.keywords.$seen)} />
			<div class="list-head">
				{isSelecting ? (
					<>
						<span>{isAll.value ? t("list.allSelected", { n: count ?? 0 }) : t("list.selected", { n: selected.value.size })}</span>
						{!isAll.value && count !== null && selected.value.size >= Math.min(count, win.knownIds().length) && count > selected.value.size && (
							<Button small kind="plain" label={t("list.selectView", { n: count })} onClick={() => { isAll.value = true; }} />
						)}
						<Button small kind="plain" label={t("list.clear")} onClick={clear} />
					</>
				) : <><h1 dir="auto">{title}</h1>{r.folder !== "search" && count !== null && <span class="quiet">{formatNumber(count)}</span>}
					{mailbox && isReadOnly(store.mailbox.get(mailbox.id) ?? mailbox) && <span class="chip">{t("list.readOnly")}</span>}</>}
				{mailbox?.role === "scheduled" && !space.id && !isSelecting && <Button small label={t("list.scheduledChange")} onClick={openScheduled} />}
				{r.folder === "search" && !isSelecting && <ScopeChips query={r.query ?? ""} />}
			</div>
			{source.problems.length > 0 && r.folder === "search" && <SearchProblems query={r.query ?? ""} problems={source.problems} />}
			<BulkBar />
			<div class="list-wrap">
				{fresh.value > 0 && top.value > rowPx && (
					<button type="button" class="fresh" onClick={() => {
						fresh.value = 0;
						box.current!.scrollTop = 0;
					}}>{t("list.fresh", { n: fresh.value })}</button>
				)}
				<div class="rows-box" ref={box} role={count ? "listbox" : "region"} tabIndex={0} aria-multiselectable={count ? "true" : undefined} aria-label={title || t("list.title")}
					aria-activedescendant={cursorIndex.value >= first && cursorIndex.value <= last ? `row-${cursorIndex.value}` : undefined} data-count={count ?? ""}
					onScroll={(e) => {
						const y = e.currentTarget.scrollTop;
						batch(() => {
							top.value = y;
							source.scrollTop = y;
							if (y < rowPx)
								fresh.value = 0;
						});
						remember();
					}}
					onKeyDown={(e) => listBoxKey(e)}
					onClick={(e) => {
						const row = (e.target as Element).closest<HTMLElement>(".row");
						if (!row)
							return;
						const i = Number(row.dataset.index), what = (e.target as Element).closest<HTMLElement>("[data-act]")?.dataset.act;
						const id = win.at(i);
						if (what === "select" && e.shiftKey || e.shiftKey)
							range(i);
						else if (what === "select" || e.ctrlKey || e.metaKey)
							toggle(i);
						else if (what === "star" && id)
							act.star([id]);
						else if (what === "trace" && id)
							go({ page: "trace", id });
						else
							open(i);
					}}
					onAuxClick={(e) => {
						const row = (e.target as Element).closest<HTMLElement>(".row");
						const e2 = row && store.email.peek(win.at(Number(row.dataset.index)) ?? "");
						if (e.button === 1 && e2)
							globalThis.open(formatRoute({ ...r, threadId: e2.threadId, traceId: undefined }), "_blank", "noopener");
					}}
					onDragStart={(e) => {
						const row = (e.target as Element).closest<HTMLElement>(".row");
						const id = row && win.at(Number(row.dataset.index));
						if (!id || !e.dataTransfer)
							return e.preventDefault();
						const ids = selected.value.has(keyOf(id)) ? targets() : [id];
						dragged.value = { space, emails: () => ids.flatMap(emailsOf), from: mailbox };
						e.dataTransfer.setData(DRAG_TYPE, "1");
						e.dataTransfer.effectAllowed = "move";
						const ghost = document.getElementById("drag-ghost")!;
						ghost.textContent = t("list.messages", { n: ids.length });
						e.dataTransfer.setDragImage(ghost, -8, -8);
					}}
					onDragEnd={() => {
						dragged.value = null;
						clear();
					}}>
					{count === 0 && <p class="list-empty">{r.folder === "search" ? t("list.nothingFound") : mailbox?.role === "inbox" ? t("list.emptyInbox") : t("list.empty")}</p>}
					{count === null && (win.failure.value
						? <div class="list-empty" role="alert"><p>{t("list.failed")}</p><Button label={t("shell.tryAgain")} onClick={() => {
							win.failure.value = null;
							win.ensure(0, 0);
						}} /></div>
						: <div class="rows" aria-hidden>{Array.from({ length: 8 }, (_, i) => <div class="row skeleton" key={i}><span class="bone short" /><span class="bone" /></div>)}</div>)}
					<div class="rows-space" ref={tall} role="presentation">
						<div class="rows" ref={rows} role="presentation">
							{count !== null && Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => {
								const i = first + n, id = win.at(i);
								return <Row key={id ?? "hole " + i} space={space} id={id} index={i} total={count} isCollapsed={conversations} mailboxId={mailbox?.id} isSelected={isAll.value || (!!id && selected.value.has(keyOf(id)))}
									isCursor={i === cursorIndex.value} isOpen={i === openIndex} isSelecting={isSelecting} chip={id ? chips.get(id) : undefined} snippet={id ? snippets.get(id) : undefined} />;
							})}
						</div>
					</div>
				</div>
				<div class="list-ring" aria-hidden />
			</div>
			<div id="drag-ghost" class="drag-ghost" aria-hidden />
		</section>
	);

	/** Keys of a listbox, which work also when single letters are switched off. */
	function listBoxKey(e: KeyboardEvent) {
		if (e.isComposing || e.ctrlKey && e.key !== "a" || e.altKey || e.metaKey)
			return;
		const at = cursorIndex.value, page = Math.max(1, Math.floor(height.value / rowPx) - 1);
		const to = { ArrowDown: at + 1, ArrowUp: Math.max(0, at - 1), PageDown: at + page, PageUp: at - page, Home: 0, End: (count ?? 1) - 1 }[e.key];
		if (to !== undefined) {
			setCursor(to);
			if (e.shiftKey)
				range(Math.max(0, Math.min((count ?? 1) - 1, to)));
		} else if (e.key === "Enter" && at >= 0) {
			open(at);
		} else if (e.key === " " && at >= 0) {
			toggle(at);
		} else if (e.key === "a" && e.ctrlKey) {
			act.selectAll();
		} else if (e.key === "Escape" && isSelecting) {
			clear();
		} else if (e.key === "Delete" && hasTarget) {
			void act.trash();
		} else {
			return;
		}
		e.preventDefault();
		e.stopPropagation();
	}
}
const NOTHING: ReadonlySet<Id> = new Set();

async function saveSearch(query: string) {
	const name = await promptDialog(t("list.saveSearch"), t("folders.name"), query, t("folders.create"), (v) => v ? null : t("folders.nameMissing"));
	if (name)
		changeSettings({ searches: [...settings.value.searches, { id: Date.now().toString(36), name, query }] });
}

export interface ListActions {
	archive(): void; trash(): void; junk(): void; move(): void; label(): void; read(isRead?: boolean): void; star(): void; snooze(at: Element): void; more(at: Element): void;
	selectAll(): void;
}

function Toolbar({ act, isSelecting, hasTarget, isTrash, isJunk, isAllChosen, hasUnread, may }: { act: ListActions; isSelecting: boolean; hasTarget: boolean; isTrash: boolean; isJunk: boolean;
	isAllChosen: boolean; hasUnread: boolean; may: { move: boolean; label: boolean; see: boolean; snooze: boolean; archive: boolean; junk: boolean } }) {
	const bar = useRef<HTMLDivElement>(null);
	const off = !hasTarget;
	const at = useMemo(() => ({ i: 0 }), []);
	return (
		<div class="toolbar" role="toolbar" aria-label={t("list.toolbar")} ref={bar}
			onKeyDown={(e) => {
				if (e.key !== "ArrowLeft" && e.key !== "ArrowRight")
					return;
				const all = [...bar.current!.querySelectorAll<HTMLElement>("button")];
				const isForward = (e.key === "ArrowRight") !== (getComputedStyle(bar.current!).direction === "rtl");
				at.i = (all.indexOf(document.activeElement as HTMLElement) + (isForward ? 1 : all.length - 1)) % all.length;
				all[at.i]?.focus();
				e.preventDefault();
			}}>
			<button type="button" class="button plain icon-only row-check" role="checkbox" aria-checked={isAllChosen ? "true" : isSelecting ? "mixed" : "false"}
				aria-label={t("list.selectAll")} title={t("list.selectAll")} onClick={act.selectAll}>
				<span class={`box${isSelecting ? " on" : ""}`}>{isAllChosen ? "✓" : isSelecting ? "–" : ""}</span>
			</button>
			<Button kind="plain" icon="archive" label={t("list.archive")} keyName="e" disabled={off || !may.archive} onClick={act.archive} />
			<Button kind="plain" icon="trash" label={isTrash ? t("list.destroy") : t("list.delete")} keyName="#" disabled={off || !may.move} onClick={() => void act.trash()} />
			<Button kind="plain" icon="junk" label={isJunk ? t("list.notJunk") : t("list.junk")} keyName="!" disabled={off || !may.junk} onClick={act.junk} />
			<Button kind="plain" icon="move" label={t(may.move ? "list.move" : "list.copy")} keyName="v" disabled={off} onClick={() => void act.move()} />
			<Button kind="plain" icon="label" label={t("list.label")} keyName="l" disabled={off || !may.label} onClick={() => void act.label()} />
			<Button kind="plain" icon={hasUnread || off ? "read" : "unread"} label={hasUnread || off ? t("list.markRead") : t("list.markUnread")} keyName={hasUnread || off ? "⇧I" : "⇧U"} disabled={off || !may.see} onClick={() => act.read()} />
			<Button kind="plain" icon="snooze" label={t("list.snooze")} keyName="b" disabled={off || !may.snooze || !jmap.has("page")} popup="menu" onClick={(e) => act.snooze(e.currentTarget)} />
			<Button kind="plain" icon="more" label={t("list.more")} keyName="." popup="menu" class="toolbar-more" onClick={(e) => act.more(e.currentTarget)} />
		</div>
	);
}
