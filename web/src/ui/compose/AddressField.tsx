// To, Cc, Bcc: chips and a text field that proposes people. The field is a combobox: arrows choose, Enter and Tab take.

import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { formatAddress, isAddress } from "../../core/address";
import { endsAddress, isCompleteAddress, parseRecipients } from "../../core/compose_address";
import type { Person } from "../../core/compose_types";
import { t } from "../../core/i18n";
import { Icon, Listbox, type Option, optionId } from "../kit/kit";
import type { Composer } from "./composer";
import { suggest } from "./suggest";

const SUGGEST_AFTER_MS = 120;

export function AddressField({ c, field, label, isFirst }: { c: Composer; field: "to" | "cc" | "bcc"; label: string; isFirst?: boolean }) {
	const id = useId(), listId = `${id}-list`;
	const input = useRef<HTMLInputElement>(null);
	const text = useSignal("");
	const found = useSignal<Person[]>([]);
	const active = useSignal(-1);
	const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
	const people = c.letter.value[field];
	const failed = new Set(c.problem.value?.recipients.map((r) => r.email.toLowerCase()) ?? []);

	useEffect(() => c.guard.watch(input.current!), []);
	useEffect(() => {
		if (isFirst && c.focus === "to")
			input.current?.focus();
	}, []);

	const close = () => {
		clearTimeout(timer.current);
		found.value = [];
		active.value = -1;
	};
	const put = (v: string) => {
		text.value = v;
		if (input.current)
			input.current.value = v;
	};
	const take = (list: readonly Person[]) => {
		if (list.length)
			c.addTo(field, list);
		put("");
		close();
	};
	const takeText = () => take(parseRecipients(text.value));
	const look = () => {
		clearTimeout(timer.current);
		const q = text.value.trim();
		if (q === "")
			return close();
		timer.current = setTimeout(async () => {
			const there = new Set([...c.letter.value.to, ...c.letter.value.cc, ...c.letter.value.bcc].map((p) => p.email.toLowerCase()));
			const list = (await suggest(q)).filter((p) => !there.has(p.email.toLowerCase()));
			if (text.value.trim() !== q)
				return;
			found.value = list;
			active.value = list.length ? 0 : -1;
		}, SUGGEST_AFTER_MS);
	};
	const remove = (i: number) => {
		c.set({ [field]: people.filter((_, n) => n !== i) });
		input.current?.focus();
	};
	const onKeyDown = (e: KeyboardEvent) => {
		if (c.guard.owns(e))
			return;
		const list = found.value;
		if (e.key === "ArrowDown" && list.length)
			active.value = (active.value + 1) % list.length;
		else if (e.key === "ArrowUp" && list.length)
			active.value = (active.value - 1 + list.length) % list.length;
		else if (e.key === "Escape" && list.length)
			close();
		else if ((e.key === "Enter" || e.key === "Tab") && list[active.value] && !e.ctrlKey && !e.metaKey && !e.shiftKey)
			take([list[active.value]!]);
		else if ((e.key === "Enter" && !e.ctrlKey && !e.metaKey) && text.value.trim())
			takeText();
		else if (e.key === "Backspace" && text.value === "" && people.length) {
			const last = people[people.length - 1]!;
			c.set({ [field]: people.slice(0, -1) });
			put(formatAddress(last));
		} else if (e.key === "Enter" && !e.ctrlKey && !e.metaKey) {
			/* an empty field: Enter does nothing, least of all send */
		} else {
			if (e.key === "Tab" && text.value.trim())
				takeText();
			return;
		}
		e.preventDefault();
		e.stopPropagation();
	};
	const options: Option[] = found.value.map((p) => ({ id: p.email, label: p.name ?? p.email, hint: p.name ? p.email : undefined }));
	return (
		<div class="address-box">
			<div class="address-field" onClick={(e) => {
				if (e.target === e.currentTarget)
					input.current?.focus();
			}}>
				<label for={id}>{label}</label>
				<ul class="address-chips" aria-label={label}>
					{people.map((p, i) => (
						<PersonChip p={p} key={p.email} reply={c.problem.value?.recipients.find((r) => r.email.toLowerCase() === p.email.toLowerCase())?.reply}
							isBad={!isAddress(p.email) || failed.has(p.email.toLowerCase())} onRemove={() => remove(i)} onEdit={() => {
								c.set({ [field]: people.filter((_, n) => n !== i) });
								put(formatAddress(p));
								input.current?.focus();
							}} />
					))}
				</ul>
				<input id={id} ref={input} class="address-input" type="text" role="combobox" autocomplete="off" autocapitalize="off" spellcheck={false} dir="auto" inputMode="email"
					aria-expanded={found.value.length > 0} aria-controls={listId} aria-autocomplete="list" aria-activedescendant={optionId(listId, active.value)}
					onInput={(e) => {
						text.value = e.currentTarget.value;
						if (!e.isComposing && (endsAddress(text.value) || isCompleteAddress(text.value)))
							takeText();
						else
							look();
					}}
					onPaste={(e) => {
						const pasted = e.clipboardData?.getData("text/plain") ?? "";
						const list = parseRecipients(text.value + pasted);
						if (list.length > 1 || (list.length === 1 && isAddress(list[0]!.email))) {
							e.preventDefault();
							take(list);
						}
					}}
					onKeyDown={onKeyDown}
					onBlur={() => {
						if (text.value.trim() && !c.guard.owns({}))
							takeText();
						close();
					}} />
			</div>
			{found.value.length > 0 && (
				<div class="address-found"><Listbox id={listId} label={t("compose.people")} options={options} active={active.value}
					onPick={(o) => take([found.value.find((p) => p.email === o.id)!])} onHover={(i) => { active.value = i; }} /></div>
			)}
		</div>
	);
}

function PersonChip({ p, isBad, reply, onRemove, onEdit }: { p: Person; isBad: boolean; reply?: string; onRemove(): void; onEdit(): void }) {
	const title = [formatAddress(p), !isAddress(p.email) ? t("compose.notAnAddress") : reply ?? ""].filter(Boolean).join("\n");
	return (
		<li class={`person${isBad ? " bad" : ""}`} title={title}>
			{isBad && <Icon name="warning" title={t("compose.notAnAddress")} />}
			<button type="button" class="person-name" onClick={onEdit} dir="auto" aria-label={t("compose.editAddress", { who: formatAddress(p) })}>{p.name?.trim() || p.email}</button>
			<button type="button" class="chip-remove" aria-label={t("kit.remove", { what: formatAddress(p) })} onClick={onRemove}><Icon name="close" /></button>
		</li>
	);
}
