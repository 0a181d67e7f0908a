// The frame around everything: top bar, panes and how wide they are, what stands once (menus, dialogs, toasts).

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../../core/i18n";
import { type Route, go, route } from "../../core/router";
import { changeSettings, settings } from "../../core/settings";
import { isHelpOpen, isListShown, isLoginLost, isNewVersion, jmap, keys } from "../app";
import { isComposing, openComposer } from "../compose/compose";
import { PickerHost } from "../folders/FolderPicker";
import { Folders } from "../folders/Folders";
import { folderName } from "../folders/folder_names";
import { AskHost, Button, Icon, MenuHost, Spinner, ToastHost, openMenu } from "../kit/kit";
import type { IconName } from "../kit/kit";
import { lazy } from "../lazy";
import { List } from "../list/List";
import { SearchField } from "../search/SearchField";
import { here } from "../spaces";
import { signOut, startFailure } from "../start";
import { Help } from "./Help";
import { LoginAgain } from "./LoginAgain";
import { StatusDot } from "./StatusDot";
import { shellKeys } from "./shell_keys";
import { isDrawerOpen, width } from "./width";

export { width } from "./width";

const Reader = lazy("reader", () => import("../reader/Reader").then((m) => m.Reader));
const Composers = lazy("compose", () => import("../compose/Composers").then((m) => m.Composers));
const TracePage = lazy("trace", () => import("../trace/TracePage").then((m) => m.TracePage));
const Settings = lazy("settings", () => import("../settings/Settings").then((m) => m.Settings));

const FOLDERS_MIN = 200, FOLDERS_MAX = 280, LIST_MIN = 320, LIST_MAX = 520;
const STEP = 16; // of a key press on a divider

export function App() {
	useEffect(() => keys.add(shellKeys()), []);
	const r = route.value;
	useEffect(() => {
		document.title = title(r);
	});
	useEffect(() => {
		if (r.page === "none")
			go({ page: "mail", folder: "inbox" }, true);
		isDrawerOpen.value = false;
	}, [r]);
	return (
		<>
			<a class="skip" href="#content" onClick={(e) => {
				e.preventDefault();
				document.querySelector<HTMLElement>("#content, .rows-box")?.focus();
			}}>{t("shell.skip")}</a>
			<div class={`shell ${width.value}`}>
				<TopBar />
				<Banners />
				{!jmap.session.value ? <Starting /> : r.page === "settings" ? <div class="page" id="content" tabIndex={-1}><Settings section={r.section} /></div>
					: r.page === "trace" ? <div class="page" id="content" tabIndex={-1}><TracePage id={r.id} /></div>
					: r.page === "mail" ? <Mail route={r} /> : null}
				{width.value === "narrow" && <BottomBar route={r} />}
			</div>
			{isComposing.value && jmap.session.value && <Composers />}
			<ToastHost />
			<MenuHost />
			<PickerHost />
			<AskHost />
			{isHelpOpen.value && <Help />}
			{isLoginLost.value && <LoginAgain />}
		</>
	);
}

function title(r: Route): string {
	const name = jmap.session.value?.username ?? "";
	const where = r.page === "mail" ? (r.folder === "search" ? t("shell.searchTitle", { what: r.query ?? "" }) : r.label ?? folderTitle(r.folder))
		: r.page === "settings" ? t("shell.settings") : r.page === "trace" ? t("shell.trace") : "";
	return [where, r.page === "mail" && r.account ? here.value.name : "", name].filter(Boolean).join(" · ") || t("shell.mail");
}
function folderTitle(folder: string): string {
	const m = here.value.mail.folder(folder);
	const unread = m?.role === "inbox" && m.unreadEmails ? `(${m.unreadEmails}) ` : "";
	return m ? unread + folderName(m) : "";
}

function Starting() {
	const why = startFailure.value;
	return (
		<div class="page starting" id="content" tabIndex={-1}>
			{why ? <p role="alert">{why === "network" ? t("shell.noNetwork") : t("shell.refused")}</p> : <Spinner />}
		</div>
	);
}

function Banners() {
	return isNewVersion.value ? (
		<div class="banner" role="status">
			<span>{t("shell.newVersion")}</span>
			<Button small label={t("shell.reload")} onClick={() => location.reload()} />
			<Button small kind="plain" icon="close" label={t("kit.close")} onClick={() => { isNewVersion.value = false; }} />
		</div>
	) : null;
}

function TopBar() {
	const isWide = width.value === "wide";
	return (
		<header class="top">
			{isWide ? <a class="brand" href="/mail/inbox"><img src={document.querySelector<HTMLLinkElement>("link[rel=icon]")?.href} alt="" width="24" height="24" /><span>{t("shell.mail")}</span></a>
				: <Button kind="plain" icon="menu" label={t("shell.folders")} expanded={isDrawerOpen.value}
					onClick={() => { isDrawerOpen.value = !isDrawerOpen.value; }} />}
			<SearchField />
			<div class="top-end">
				<StatusDot />
				{width.value !== "narrow" && <Button kind="plain" icon="help" label={t("shell.help")} keyName="?" onClick={() => { isHelpOpen.value = true; }} />}
				<Button kind="plain" icon="user" label={t("shell.account")} popup="menu" onClick={(e) => openMenu(t("shell.account"), [
					{ title: jmap.session.value?.username ?? "" },
					{ label: t("shell.settings"), icon: "settings", href: "/settings/general" },
					{ label: t("shell.help"), icon: "help", run: () => { isHelpOpen.value = true; } },
					"rule",
					{ label: t("shell.signOut"), icon: "logout", run: () => void signOut() },
				], e.currentTarget)} />
			</div>
		</header>
	);
}

function Mail({ route: r }: { route: Route & { page: "mail" } }) {
	const box = useRef<HTMLDivElement>(null);
	const { folderWidth, listWidth, readerPane } = settings.value;
	const hasReader = !!r.threadId;
	const isSide = readerPane === "side" && width.value !== "narrow";
	useLayoutEffect(() => {
		box.current?.style.setProperty("--folders", folderWidth + "px");
		box.current?.style.setProperty("--list", listWidth + "px");
	}, [folderWidth, listWidth, width.value]);
	const showList = isSide || !hasReader;
	const isShown = isListShown.value;
	useEffect(() => {
		// most people open a message next; those who count their octets wait for its code
		const saves = (navigator as { connection?: { saveData?: boolean } }).connection?.saveData;
		if (isShown && !saves)
			Reader.fetch();
	}, [isShown]);
	return (
		<div class={`panes${isSide ? " side" : ""}${isDrawerOpen.value ? " drawer-open" : ""}`} ref={box}>
			{width.value === "wide" ? (
				<>
					<div class="pane-folders"><Folders /></div>
					<Divider label={t("shell.foldersWidth")} value={folderWidth} min={FOLDERS_MIN} max={FOLDERS_MAX}
						onChange={(v) => changeSettings({ folderWidth: v })} />
				</>
			) : isDrawerOpen.value && <Drawer />}
			{/* the list stays alive behind a message, so that Back finds it where it was */}
			<div class="pane-list" hidden={!showList}><List route={r} /></div>
			{isSide && <Divider label={t("shell.listWidth")} value={listWidth} min={LIST_MIN} max={LIST_MAX}
				onChange={(v) => changeSettings({ listWidth: v })} />}
			{(isSide || hasReader) && (
				<main class="pane-reader" id="content" tabIndex={-1}>
					{r.traceId ? <TracePage id={r.traceId} /> : r.threadId
						? <Reader threadId={r.threadId} mailboxId={r.folder === "search" || r.folder === "label" ? undefined : here.value.mail.folder(r.folder)?.id} />
						: <p class="reader-empty quiet">{t("shell.nothingChosen")}</p>}
				</main>
			)}
		</div>
	);
}

function Drawer() {
	const ref = useRef<HTMLDivElement>(null);
	useEffect(() => {
		const from = document.activeElement as HTMLElement | null;
		ref.current?.querySelector<HTMLElement>("a, button")?.focus();
		const end = (e: KeyboardEvent) => {
			if (e.key !== "Escape" || document.querySelector(".menu, dialog[open]"))
				return;
			isDrawerOpen.value = false;
			e.stopPropagation(); // it is not meant for what is behind
		};
		document.addEventListener("keydown", end, true);
		return () => {
			document.removeEventListener("keydown", end, true);
			from?.focus?.();
		};
	}, []);
	return (
		<>
			<div class="shade" onClick={() => { isDrawerOpen.value = false; }} />
			<div class="pane-folders drawer" ref={ref}><Folders /></div>
		</>
	);
}

function BottomBar({ route: r }: { route: Route }) {
	const items: { label: string; icon: IconName; isHere: boolean; run(): void }[] = [
		{ label: t("shell.mail"), icon: "inbox", isHere: r.page === "mail" && r.folder !== "search", run: () => go({ page: "mail", folder: "inbox" }) },
		{ label: t("shell.search"), icon: "search", isHere: r.page === "mail" && r.folder === "search",
			run: () => document.querySelector<HTMLInputElement>("#search")?.focus() },
		{ label: t("shell.compose"), icon: "compose", isHere: false, run: () => openComposer({ kind: "new" }) },
		{ label: t("shell.settings"), icon: "settings", isHere: r.page === "settings", run: () => go({ page: "settings", section: "" }) },
	];
	return (
		<nav class="bottom" aria-label={t("shell.main")}>
			{items.map((i) => (
				<button type="button" class="bottom-item" key={i.icon} aria-current={i.isHere ? "page" : undefined} onClick={i.run}>
					<Icon name={i.icon} /><span>{i.label}</span>
				</button>
			))}
		</nav>
	);
}

function Divider({ label, value, min, max, onChange }: { label: string; value: number; min: number; max: number; onChange(v: number): void }) {
	const put = (v: number) => onChange(Math.round(Math.min(max, Math.max(min, v))));
	return (
		<div class="divider" role="separator" aria-orientation="vertical" tabIndex={0} aria-label={label} aria-valuenow={value} aria-valuemin={min} aria-valuemax={max}
			onKeyDown={(e) => {
				const isRtl = getComputedStyle(e.currentTarget).direction === "rtl";
				const step = e.key === "ArrowRight" ? STEP : e.key === "ArrowLeft" ? -STEP : 0;
				if (step)
					put(value + (isRtl ? -step : step));
				else if (e.key === "Home" || e.key === "End")
					put(e.key === "Home" ? min : max);
				else
					return;
				e.preventDefault();
			}}
			onPointerDown={(e) => {
				const bar = e.currentTarget, from = e.clientX;
				const sign = getComputedStyle(bar).direction === "rtl" ? -1 : 1;
				bar.setPointerCapture(e.pointerId);
				bar.onpointermove = (m) => put(value + sign * (m.clientX - from));
				bar.onpointerup = bar.onpointercancel = () => {
					bar.onpointermove = bar.onpointerup = bar.onpointercancel = null;
				};
				e.preventDefault();
			}} />
	);
}
