// The folder pane: folders with a role, the tree of the others, labels, kept searches, how full the mailbox is.

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { formatNumber, formatSize, t } from "../../core/i18n";
import { formatRoute, go, route } from "../../core/router";
import { type Label, changeSettings, settings } from "../../core/settings";
import type { Mailbox } from "../../core/types";
import { jmap, mail, store } from "../app";
import { openComposer, openScheduled, scheduledCount } from "../compose/compose";
import { Button, Dot, Icon, type MenuEntry, openMenu } from "../kit/kit";
import { announce } from "../actions";
import { DRAG_TYPE, dragged } from "../list/drag";
import { LABEL_COLORS, colorLabel, createFolder, createLabel, deleteFolder, deleteLabel, deleteSearch, emptyFolder, markAllRead, moveFolder, renameFolder,
	renameLabel, useAsEntry } from "./folder_actions";
import { type Space, moveAcross, own, shared } from "../spaces";
import { ROLES, byName, folderIcon, folderName, isReadOnly, isSystem } from "./folder_names";

const FOLDER_DRAG = "application/x-yizhan-folder";
const over = signal<string | null>(null);

function menuOf(m: Mailbox, space: Space, at: Element | { x: number; y: number }): MenuEntry[] {
	const may = m.myRights;
	return [
		{ label: t("folders.newSub"), icon: "plus", disabled: !may.mayCreateChild, run: () => void createFolder(m, space) },
		{ label: t("folders.rename"), icon: "compose", disabled: !may.mayRename || isSystem(m), run: () => void renameFolder(m, space) },
		{ label: t("folders.move"), icon: "move", disabled: !may.mayRename || isSystem(m), run: () => void moveFolder(m, undefined, space) },
		...(space.id ? [] : [useAsEntry(m, at)]),
		"rule",
		{ label: t("folders.markRead"), icon: "read", disabled: !may.maySetSeen || !m.unreadEmails, run: () => markAllRead(m, space) },
		...(m.role === "trash" || m.role === "junk" ? [{ label: t("folders.empty"), icon: "trash" as const, danger: true,
			disabled: !may.mayRemoveItems || !m.totalEmails, run: () => void emptyFolder(m, space) }] : []),
		...(space.id ? [] : [{ label: t("folders.export"), icon: "download" as const, run: () => go(`/settings/transfer?export=${encodeURIComponent(m.id)}`) },
		{ label: t("folders.import"), icon: "upload" as const, disabled: !may.mayAddItems, run: () => go(`/settings/transfer?import=${encodeURIComponent(m.id)}`) }]),
		"rule",
		{ label: t("folders.delete"), icon: "trash", danger: true, disabled: !may.mayDelete || isSystem(m), run: () => void deleteFolder(m, space) },
	];
}
function labelMenu(l: Label): MenuEntry[] {
	return [
		{ label: t("folders.rename"), icon: "compose", run: () => void renameLabel(l) },
		{ title: t("folders.color") },
		...LABEL_COLORS.map((color, i) => ({ label: t(`folders.colorName.${i}`), color, checked: l.color === color, run: () => colorLabel(l, color) })),
		"rule",
		{ label: t("folders.delete"), icon: "trash", danger: true, run: () => void deleteLabel(l) },
	];
}

/** Right-click, and Shift+F10 or the menu key, on whatever has a menu. */
function menuProps(label: string, entries: (at: Element | { x: number; y: number }) => MenuEntry[]) {
	return {
		onContextMenu: (e: MouseEvent & { currentTarget: HTMLElement }) => {
			e.preventDefault();
			const at = e.clientX || e.clientY ? { x: e.clientX, y: e.clientY } : e.currentTarget;
			openMenu(label, entries(at), at);
		},
		onKeyDown: (e: KeyboardEvent & { currentTarget: HTMLElement }) => {
			if ((e.key === "F10" && e.shiftKey) || e.key === "ContextMenu") {
				e.preventDefault();
				openMenu(label, entries(e.currentTarget), e.currentTarget);
			}
		},
	};
}

function countOf(m: Mailbox): number {
	return m.role === "drafts" || m.role === "scheduled" || m.role === "snoozed" ? m.totalEmails : m.unreadEmails;
}

function Row({ space, mailbox: m, depth, here }: { space: Space; mailbox: Mailbox; depth: number; here: string }) {
	const { store, mail } = space;
	const children = isSystem(m) && m.role === "inbox" ? [] : store.mailbox.all.value.filter((c) => c.parentId === m.id && !isSystem(c)).sort(byName);
	const isFolded = settings.value.collapsed.includes(m.id);
	const path = mail.folderPath(m), isHere = here === path || here === m.id;
	const ref = useRef<HTMLLIElement>(null);
	useLayoutEffect(() => ref.current?.style.setProperty("--depth", String(depth)), [depth]);
	const count = countOf(m);
	const name = folderName(m);
	const takes = (e: DragEvent) => e.dataTransfer?.types.includes(DRAG_TYPE) ? m.myRights.mayAddItems
		: e.dataTransfer?.types.includes(FOLDER_DRAG) ? m.myRights.mayCreateChild && !isSystem(m) : false;
	const fold = (yes: boolean) => changeSettings({ collapsed: yes ? [...settings.value.collapsed, m.id] : settings.value.collapsed.filter((c) => c !== m.id) });
	const menu = menuProps(name, (at) => menuOf(m, space, at));
	return (
		<>
			<li class="folder-row" ref={ref}>
				{children.length > 0 && (
					<button type="button" class="folder-fold" aria-expanded={!isFolded} aria-label={t("folders.foldOf", { what: name })} tabIndex={-1} onClick={() => fold(!isFolded)}>
						<Icon name={isFolded ? "right" : "down"} />
					</button>
				)}
				<a class={`folder${over.value === m.id ? " over" : ""}`} href={formatRoute({ page: "mail", account: space.id, folder: path })} aria-current={isHere ? "page" : undefined}
					title={t("folders.title2", { name, n: m.totalEmails, unread: m.unreadEmails })} draggable={!isSystem(m)} data-folder={m.id}
					{...menu}
					onKeyDown={(e) => {
						menu.onKeyDown(e);
						const isRtl = document.documentElement.dir === "rtl";
						if (e.key === (isRtl ? "ArrowLeft" : "ArrowRight") && children.length)
							fold(false);
						else if (e.key === (isRtl ? "ArrowRight" : "ArrowLeft") && children.length)
							fold(true);
					}}
					onDragStart={(e) => e.dataTransfer?.setData(FOLDER_DRAG, m.id)}
					onDragOver={(e) => {
						if (takes(e)) {
							e.preventDefault();
							over.value = m.id;
						}
					}}
					onDragLeave={() => { over.value = null; }}
					onDrop={(e) => {
						over.value = null;
						if (!takes(e))
							return;
						e.preventDefault();
						const folder = e.dataTransfer!.getData(FOLDER_DRAG);
						const what = folder ? store.mailbox.peek(folder) : undefined;
						const letters = dragged.value;
						if (what)
							void moveFolder(what, m.id, space);
						else if (letters && letters.space !== space)
							void moveAcross(letters.space, space, letters.emails(), m, name, letters.from);
						else if (letters)
							announce(mail.move(letters.emails(), m, letters.from?.id));
					}}>
					<Icon name={folderIcon(m)} />
					<span class="folder-name" dir="auto">{name}</span>
					{isReadOnly(m) && <span class="folder-note">{t("folders.readOnly")}</span>}
					{count > 0 && <span class="folder-count"><span aria-hidden>{formatNumber(count)}</span>
						<span class="sr-only">{m.role === "drafts" ? t("folders.messages", { n: count }) : t("folders.unread", { n: count })}</span></span>}
				</a>
				<button type="button" class="folder-more" aria-label={t("folders.menuOf", { what: name })} tabIndex={-1}
					onClick={(e) => openMenu(name, menuOf(m, space, e.currentTarget), e.currentTarget)}><Icon name="more" /></button>
			</li>
			{!isFolded && children.map((c) => <Row key={c.id} space={space} mailbox={c} depth={depth + 1} here={here} />)}
		</>
	);
}

export function Folders() {
	const all = store.mailbox.all.value;
	const r = route.value;
	const here = r.page === "mail" && !r.account ? r.folder : "";
	const byRole = ROLES.map((role) => all.find((m) => m.role === role)).filter((m): m is Mailbox => !!m)
		.filter((m) => (m.role !== "scheduled" && m.role !== "snoozed") || m.totalEmails > 0 || here === m.role);
	const ids = new Set(all.map((m) => m.id));
	const others = all.filter((m) => !isSystem(m) && (!m.parentId || !ids.has(m.parentId) || store.mailbox.peek(m.parentId)?.role === "inbox")).sort(byName);
	const { labels, searches } = settings.value;
	const isScheduled = scheduledCount.value > 0 && !byRole.some((m) => m.role === "scheduled");
	useEffect(() => {
		if (jmap.has("quota"))
			void store.quota.loadAll().catch(() => {});
	}, []);
	return (
		<nav class="folders" aria-label={t("folders.title")}
			onKeyDown={(e) => {
				if (e.key !== "ArrowDown" && e.key !== "ArrowUp")
					return;
				const links = [...e.currentTarget.querySelectorAll<HTMLElement>("a.folder")];
				const at = links.indexOf(document.activeElement as HTMLElement);
				if (at < 0)
					return;
				e.preventDefault();
				links[at + (e.key === "ArrowDown" ? 1 : -1)]?.focus();
			}}>
			<Button kind="primary" icon="compose" both label={t("shell.compose")} keyName="c" class="compose-button" onClick={() => openComposer({ kind: "new" })} />
			<ul>
				{byRole.flatMap((m) => [<Row key={m.id} space={own} mailbox={m} depth={0} here={here} />, m.role === "drafts" && isScheduled && (
					<li class="folder-row" key="scheduled">
						<button type="button" class="folder folder-button" aria-haspopup="dialog" onClick={openScheduled}>
							<Icon name="scheduled" /><span class="folder-name">{t("folders.role.scheduled")}</span>
							<span class="folder-count">{formatNumber(scheduledCount.value)}</span>
						</button>
					</li>
				)])}
			</ul>
			<Heading title={t("folders.own")} add={t("folders.new")} onAdd={() => void createFolder(null)}
				onDrop={(id) => {
					const m = store.mailbox.peek(id);
					if (m)
						void moveFolder(m, null);
				}} />
			<ul>{others.map((m) => <Row key={m.id} space={own} mailbox={m} depth={0} here={here} />)}</ul>
			{shared.value.map((s) => <Shared key={s.id} space={s} />)}
			<Heading title={t("folders.labels")} add={t("folders.newLabel")} onAdd={() => void createLabel()} />
			<ul>
				{labels.map((l) => (
					<li class="folder-row" key={l.keyword}>
						<a class={`folder${over.value === l.keyword ? " over" : ""}`} href={`/mail/label/${encodeURIComponent(l.keyword)}`}
							aria-current={r.page === "mail" && r.folder === "label" && r.label === l.keyword ? "page" : undefined}
							{...menuProps(l.name, () => labelMenu(l))}
							onDragOver={(e) => {
								if (e.dataTransfer?.types.includes(DRAG_TYPE)) {
									e.preventDefault();
									over.value = l.keyword;
								}
							}}
							onDragLeave={() => { over.value = null; }}
							onDrop={(e) => {
								e.preventDefault();
								over.value = null;
								if (dragged.value)
									announce(mail.label(dragged.value.emails(), l.keyword, l.name, true));
							}}>
							<span class="folder-dot"><Dot color={l.color} /></span><span class="folder-name" dir="auto">{l.name}</span>
						</a>
						<button type="button" class="folder-more" aria-label={t("folders.menuOf", { what: l.name })} tabIndex={-1}
							onClick={(e) => openMenu(l.name, labelMenu(l), e.currentTarget)}><Icon name="more" /></button>
					</li>
				))}
			</ul>
			{searches.length > 0 && <Heading title={t("folders.searches")} />}
			<ul>
				{searches.map((s) => {
					const entries = (): MenuEntry[] => [{ label: t("folders.delete"), icon: "trash", danger: true, run: () => deleteSearch(s.id) }];
					return (
						<li class="folder-row" key={s.id}>
							<a class="folder" href={`/mail/search?q=${encodeURIComponent(s.query)}`} title={s.query}
								aria-current={r.page === "mail" && r.folder === "search" && r.query === s.query ? "page" : undefined} {...menuProps(s.name, entries)}>
								<Icon name="search" /><span class="folder-name" dir="auto">{s.name}</span>
							</a>
						</li>
					);
				})}
			</ul>
			<Quota />
		</nav>
	);
}

/** What somebody else shares. */
function Shared({ space }: { space: Space }) {
	const all = space.store.mailbox.all.value, r = route.value;
	const ids = new Set(all.map((m) => m.id));
	const here = r.page === "mail" && r.account === space.id ? r.folder : "";
	const byRole = ROLES.map((role) => all.find((m) => m.role === role)).filter((m): m is Mailbox => !!m);
	const others = all.filter((m) => !isSystem(m) && (!m.parentId || !ids.has(m.parentId) || space.store.mailbox.peek(m.parentId)?.role === "inbox")).sort(byName);
	const title = t("folders.sharedBy", { who: space.name });
	return (
		<section class="folder-shared" aria-label={title} data-account={space.id}>
			<Heading title={title} />
			<ul>{[...byRole, ...others].map((m) => <Row key={m.id} space={space} mailbox={m} depth={0} here={here} />)}</ul>
		</section>
	);
}

function Heading({ title, add, onAdd, onDrop }: { title: string; add?: string; onAdd?: () => void; onDrop?: (id: string) => void }) {
	return (
		<div class="folder-heading"
			onDragOver={(e) => {
				if (onDrop && e.dataTransfer?.types.includes(FOLDER_DRAG))
					e.preventDefault();
			}}
			onDrop={(e) => {
				const id = e.dataTransfer?.getData(FOLDER_DRAG);
				if (id)
					onDrop?.(id);
			}}>
			<h2>{title}</h2>
			{add && <Button small kind="plain" icon="plus" label={add} onClick={onAdd} />}
		</div>
	);
}

function Quota() {
	const q = store.quota.all.value.find((o) => o.resourceType === "octets" && o.hardLimit > 0);
	const ref = useRef<HTMLSpanElement>(null);
	const part = q ? Math.min(1, q.used / q.hardLimit) : 0;
	useLayoutEffect(() => ref.current?.style.setProperty("inline-size", `${part * 100}%`), [part]);
	if (!q)
		return null;
	const words = t("folders.quota", { used: formatSize(q.used), all: formatSize(q.hardLimit) });
	return (
		<div class={`quota${part > 0.9 ? " full" : ""}`}>
			<div class="quota-bar" role="meter" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(part * 100)} aria-label={t("folders.quotaTitle")} aria-valuetext={words}>
				<span ref={ref} />
			</div>
			<p>{words}{part > 0.9 ? ` · ${t("folders.nearlyFull")}` : ""}</p>
		</div>
	);
}
