// One of each: what all rooms build their views of.

import { signal } from "@preact/signals";
import type { ComponentChildren, Ref } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../../core/i18n";
import type { IconName } from "./icons";

export type { IconName } from "./icons";

const FLIPS = new Set<IconName>(["back", "forward-nav", "right", "reply", "reply-all", "forward", "indent", "outdent", "logout", "sent"]);

export function Icon({ name, filled, title }: { name: IconName; filled?: boolean; title?: string }) {
	return (
		<svg class={`icon${filled ? " filled" : ""}${FLIPS.has(name) ? " flips" : ""}`} role={title ? "img" : undefined}
			aria-label={title} aria-hidden={title ? undefined : true} focusable="false">
			<use href={`#i-${name}`} />
		</svg>
	);
}

export interface ButtonProps {
	/** Its words; with `icon` alone they are for screen readers and the tooltip. */
	label: string;
	icon?: IconName;
	filled?: boolean;
	/** Show icon and words. */
	both?: boolean;
	kind?: "primary" | "danger" | "plain" | "normal";
	small?: boolean;
	pressed?: boolean;
	/** Stays focusable and says that it cannot be used now. */
	disabled?: boolean;
	/** The key that does the same, shown in the tooltip. */
	keyName?: string;
	type?: "button" | "submit";
	class?: string;
	id?: string;
	expanded?: boolean;
	popup?: "menu" | "dialog" | "listbox";
	buttonRef?: Ref<HTMLButtonElement>;
	tabIndex?: number;
	onClick?: (e: MouseEvent & { currentTarget: HTMLButtonElement }) => void;
	children?: ComponentChildren;
}

export function Button(p: ButtonProps) {
	const isIcon = !!p.icon && !p.both && !p.children;
	const words = p.keyName ? `${p.label} (${p.keyName})` : p.label;
	return (
		<button type={p.type ?? "button"} id={p.id} ref={p.buttonRef} tabIndex={p.tabIndex}
			class={`button ${p.kind ?? "normal"}${isIcon ? " icon-only" : ""}${p.small ? " small" : ""} ${p.class ?? ""}`}
			aria-label={isIcon ? p.label : undefined} title={isIcon || p.keyName ? words : undefined}
			aria-pressed={p.pressed} aria-disabled={p.disabled || undefined} aria-expanded={p.expanded} aria-haspopup={p.popup}
			onClick={(e) => {
				if (p.disabled)
					e.preventDefault();
				else
					p.onClick?.(e);
			}}>
			{p.icon && <Icon name={p.icon} filled={p.filled} />}
			{!isIcon && (p.children ?? p.label)}
		</button>
	);
}

/** A spot of colour that a label has; colours are data, so set by the DOM, not by an inline style. */
export function Dot({ color }: { color: string }) {
	const ref = useRef<HTMLSpanElement>(null);
	useLayoutEffect(() => ref.current?.style.setProperty("--dot", color), [color]);
	return <span class="label-dot" ref={ref} aria-hidden />;
}

export function Chip({ label, kind, color, onRemove, onClick, title }: { label: string; kind?: "bad" | "wait" | "good"; color?: string;
	onRemove?: () => void; onClick?: (e: MouseEvent) => void; title?: string }) {
	return (
		<span class={`chip ${kind ?? ""}`} title={title}>
			{color && <Dot color={color} />}
			{onClick ? <button type="button" class="chip-button" onClick={onClick}>{label}</button> : <span dir="auto">{label}</span>}
			{onRemove && (
				<button type="button" class="chip-remove" aria-label={t("kit.remove", { what: label })} onClick={onRemove}>
					<Icon name="close" />
				</button>
			)}
		</span>
	);
}

export function Spinner({ label }: { label?: string }) {
	return <span class="loading" role="status"><span class="spinner" aria-hidden />{label ?? t("kit.loading")}</span>;
}

// ---- menus ----

export interface MenuItem {
	label: string;
	icon?: IconName;
	color?: string;
	keyName?: string;
	checked?: boolean;
	disabled?: boolean;
	danger?: boolean;
	href?: string;
	run?: () => void;
}
export type MenuEntry = MenuItem | "rule" | { title: string };
interface OpenMenu { entries: MenuEntry[]; x: number; y: number; above?: number; label: string; from: Element | null }

const openedMenu = signal<OpenMenu | null>(null);

/** Open a menu under a button, or where the pointer is (`at`). */
export function openMenu(label: string, entries: MenuEntry[], at: Element | { x: number; y: number }) {
	const from = document.activeElement;
	if (at instanceof Element) {
		const r = at.getBoundingClientRect();
		const isRtl = getComputedStyle(at).direction === "rtl";
		openedMenu.value = { entries, label, from: at, x: isRtl ? r.right : r.left, y: r.bottom + 4, above: r.top - 4 };
	} else {
		openedMenu.value = { entries, label, from, x: at.x, y: at.y };
	}
}

export function closeMenu() {
	const from = openedMenu.value?.from;
	openedMenu.value = null;
	(from as HTMLElement | null)?.focus?.();
}

/** Stands once, in the shell. */
export function MenuHost() {
	const m = openedMenu.value;
	const ref = useRef<HTMLDivElement>(null);
	const typed = useRef({ text: "", at: 0 });

	useLayoutEffect(() => {
		const box = ref.current;
		if (!m || !box)
			return;
		const r = box.getBoundingClientRect();
		const isRtl = getComputedStyle(document.documentElement).direction === "rtl";
		let x = isRtl ? m.x - r.width : m.x, y = m.y;
		if (y + r.height > innerHeight - 8)
			y = Math.max(8, m.above !== undefined && m.above - r.height > 8 ? m.above - r.height : innerHeight - r.height - 8);
		x = Math.min(Math.max(8, x), innerWidth - r.width - 8);
		box.style.setProperty("left", x + "px");
		box.style.setProperty("top", y + "px");
		(box.querySelector("[aria-checked=true]") as HTMLElement ?? box.querySelector<HTMLElement>("[role^=menuitem]"))?.focus();
		const shut = (e: Event) => {
			if (!box.contains(e.target as Node))
				closeMenu();
		};
		document.addEventListener("pointerdown", shut, true);
		addEventListener("resize", closeMenu);
		addEventListener("popstate", closeMenu); // it belongs to what was shown before
		return () => {
			document.removeEventListener("pointerdown", shut, true);
			removeEventListener("resize", closeMenu);
			removeEventListener("popstate", closeMenu);
		};
	}, [m]);
	if (!m)
		return null;

	const onKeyDown = (e: KeyboardEvent) => {
		const items = [...ref.current!.querySelectorAll<HTMLElement>("[role^=menuitem]")];
		const now = items.indexOf(document.activeElement as HTMLElement);
		const to = (i: number) => items[(i + items.length) % items.length]?.focus();
		if (e.isComposing)
			return;
		if (e.key === "ArrowDown")
			to(now + 1);
		else if (e.key === "ArrowUp")
			to(now - 1);
		else if (e.key === "Home")
			to(0);
		else if (e.key === "End")
			to(items.length - 1);
		else if (e.key === "Escape" || e.key === "Tab")
			closeMenu();
		else if (e.key.length === 1 && e.key !== " " && !e.ctrlKey && !e.metaKey) {
			const s = typed.current;
			s.text = e.timeStamp - s.at < 700 ? s.text + e.key : e.key;
			s.at = e.timeStamp;
			const from = s.text.length > 1 ? now : now + 1;
			const found = items.findIndex((_, i) => items[(from + i) % items.length]!.textContent!.trim().toLowerCase()
				.startsWith(s.text.toLowerCase()));
			if (found >= 0)
				to(from + found);
		} else {
			return;
		}
		e.preventDefault();
		e.stopPropagation();
	};
	const run = (i: MenuItem) => {
		if (i.disabled)
			return;
		closeMenu();
		i.run?.();
	};
	const hasIcons = m.entries.some((i) => i !== "rule" && !("title" in i) && i.icon);
	return (
		<div class="menu" role="menu" aria-label={m.label} ref={ref} onKeyDown={onKeyDown} data-keys="own">
			{m.entries.map((i, n) => i === "rule" ? <hr class="menu-rule" key={n} />
				: "title" in i ? <div class="menu-title" role="presentation" key={n}>{i.title}</div>
				: i.href ? (
					<a class="menu-item" role="menuitem" tabIndex={-1} href={i.href} key={n} onClick={() => closeMenu()}>
						{i.icon && <Icon name={i.icon} />}{i.label}
					</a>
				) : (
					<button type="button" class={`menu-item${i.danger ? " danger" : ""}`} tabIndex={-1} key={n}
						role={i.checked === undefined ? "menuitem" : "menuitemcheckbox"} aria-checked={i.checked}
						aria-disabled={i.disabled || undefined} onClick={() => run(i)}>
						{i.icon ? <Icon name={i.icon} /> : i.checked ? <Icon name="check" /> : i.checked !== undefined || hasIcons && !i.color ? <span class="icon" aria-hidden /> : null}
						{i.color && <Dot color={i.color} />}
						<span dir="auto">{i.label}</span>
						{i.icon && i.checked && <span class="menu-key"><Icon name="check" /></span>}
						{i.keyName && <kbd class="menu-key" aria-hidden>{i.keyName}</kbd>}
					</button>
				))}
		</div>
	);
}

// ---- dialogs ----

/** The browser's own modal dialog: focus stays in it, Escape closes it, what is behind is inert. */
export function Dialog({ title, onClose, children, foot, wide, locked }: { title: string; onClose: () => void; children: ComponentChildren;
	foot?: ComponentChildren; wide?: boolean; /** Only its buttons end it. */ locked?: boolean }) {
	const ref = useRef<HTMLDialogElement>(null);
	const id = useId();
	useLayoutEffect(() => { // open before anybody can press a key
		const d = ref.current!;
		const from = document.activeElement as HTMLElement | null;
		d.showModal();
		const first = d.querySelector<HTMLElement>("[autofocus]") ?? d.querySelector<HTMLElement>(".dialog-body input, .dialog-body select, .dialog-body textarea");
		first?.focus();
		return () => {
			d.close();
			from?.focus?.();
		};
	}, []);
	return (
		<dialog class={`dialog${wide ? " wide" : ""}`} ref={ref} aria-labelledby={id} data-keys="own"
			onCancel={(e) => {
				e.preventDefault();
				if (!locked)
					onClose();
			}}
			onKeyDown={(e) => e.stopPropagation()}>
			<div class="dialog-head">
				<h2 id={id}>{title}</h2>
				{!locked && <Button kind="plain" icon="close" label={t("kit.close")} onClick={onClose} />}
			</div>
			<div class="dialog-body">{children}</div>
			{foot && <div class="dialog-foot">{foot}</div>}
		</dialog>
	);
}

interface Asked { title: string; text: string; yes: string; danger?: boolean; input?: { label: string; value: string; wrong?: (v: string) => string | null; type?: "text" | "datetime-local" };
	done(v: string | null): void }
const asked = signal<Asked | null>(null);

/** A question with one way to say yes. */
export function confirmDialog(title: string, text: string, yes: string, danger = false): Promise<boolean> {
	return new Promise((done) => {
		asked.value = { title, text, yes, danger, done: (v) => done(v !== null) };
	});
}
/** A question that is answered by a word; null: never mind. */
export function promptDialog(title: string, label: string, value: string, yes: string, wrong?: (v: string) => string | null, text = "",
	type: "text" | "datetime-local" = "text"): Promise<string | null> {
	return new Promise((done) => {
		asked.value = { title, text, yes, input: { label, value, wrong, type }, done };
	});
}

/** Stands once, in the shell. */
export function AskHost() {
	const a = asked.value;
	return a ? <Ask asked={a} key={a.title} /> : null;
}

const answer = signal("");
function Ask({ asked: a }: { asked: Asked }) {
	const id = useId();
	useLayoutEffect(() => {
		answer.value = a.input?.value ?? "";
	}, [a]);
	const why = a.input?.wrong?.(answer.value.trim()) ?? null;
	const end = (v: string | null) => {
		asked.value = null;
		a.done(v);
	};
	const yes = () => {
		if (!why)
			end(a.input ? answer.value.trim() : "");
	};
	return (
		<Dialog title={a.title} onClose={() => end(null)} foot={<>
			<Button label={t("kit.cancel")} onClick={() => end(null)} />
			<Button label={a.yes} kind={a.danger ? "danger" : "primary"} disabled={!!why} onClick={yes} />
		</>}>
			{a.text && <p>{a.text}</p>}
			{a.input && (
				<div class="field">
					<label for={id}>{a.input.label}</label>
					<input id={id} class="input" {...a.input.type === "datetime-local" ? { type: "datetime-local" as const } : { type: "text" as const }} autofocus dir="auto" value={answer.value} aria-invalid={!!why && answer.value !== a.input.value}
						onInput={(e) => { answer.value = e.currentTarget.value; }}
						onKeyDown={(e) => {
							if (e.key === "Enter" && !e.isComposing && e.keyCode !== 229) {
								e.preventDefault();
								yes();
							}
						}} />
					{why && answer.value.trim() !== a.input.value && <p class="wrong" role="alert">{why}</p>}
				</div>
			)}
		</Dialog>
	);
}

// ---- toasts ----

export interface Toast { text: string; kind?: "bad"; action?: { label: string; run(): void }; seconds?: number }
const shown = signal<(Toast & { id: number }) | null>(null);
const TOAST_SECONDS = 8;
let toastCount = 0;
let toastTimer: ReturnType<typeof setTimeout> | undefined;

/** One at a time, bottom left, for eight seconds; a new one takes the place of the one before. */
export function toast(what: Toast): () => void {
	const id = ++toastCount;
	shown.value = { ...what, id };
	clearTimeout(toastTimer);
	toastTimer = setTimeout(() => closeToast(id), (what.seconds ?? TOAST_SECONDS) * 1000);
	return () => closeToast(id);
}
export function closeToast(id?: number) {
	if (id === undefined || shown.value?.id === id)
		shown.value = null;
}

/** Stands once, in the shell. */
export function ToastHost() {
	const s = shown.value;
	return (
		<div class="toasts" role="status" aria-live="polite">
			{s && (
				<div class={`toast ${s.kind ?? ""}`} key={s.id}>
					<span>{s.text}</span>
					{s.action && (
						<Button label={s.action.label} onClick={() => {
							closeToast(s.id);
							s.action!.run();
						}} />
					)}
					<Button kind="plain" icon="close" label={t("kit.close")} onClick={() => closeToast(s.id)} />
				</div>
			)}
		</div>
	);
}

// ---- a listbox below a field (autocomplete) ----

export interface Option { id: string; label: string; hint?: string; icon?: IconName; color?: string }

/** What a text field proposes. The field keeps the focus: it gets aria-activedescendant={optionId(id, active)}. */
export function Listbox({ id, label, options, active, onPick, onHover }: { id: string; label: string; options: Option[]; active: number;
	onPick(o: Option): void; onHover?(i: number): void }) {
	const ref = useRef<HTMLDivElement>(null);
	useEffect(() => {
		ref.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
	}, [active]);
	return (
		<div class="menu listbox" role="listbox" id={id} aria-label={label} ref={ref}>
			{options.map((o, i) => (
				<div class="option" role="option" id={optionId(id, i)} key={o.id} aria-selected={i === active}
					onPointerDown={(e) => {
						e.preventDefault(); // the field keeps the focus
						onPick(o);
					}}
					onPointerMove={() => onHover?.(i)}>
					{o.icon && <Icon name={o.icon} />}
					{o.color && <Dot color={o.color} />}
					<span dir="auto">{o.label}</span>
					{o.hint && <span class="quiet" dir="auto">{o.hint}</span>}
				</div>
			))}
		</div>
	);
}
export function optionId(listbox: string, i: number): string | undefined {
	return i < 0 ? undefined : `${listbox}-${i}`;
}
