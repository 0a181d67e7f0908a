// Fields of the settings.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export function Page({ title, children }: { title: string; children: ComponentChildren }) {
	return <section class="settings-page"><h1>{title}</h1>{children}</section>;
}
export function Group({ title, hint, children }: { title: string; hint?: string; children: ComponentChildren }) {
	return <section class="settings-group"><h2>{title}</h2>{hint && <p class="quiet">{hint}</p>}{children}</section>;
}
export function Check({ label, hint, value, onChange, disabled }: { label: string; hint?: string; value: boolean; onChange(v: boolean): void; disabled?: boolean }) {
	const id = useId();
	return (
		<div>
			<label class="check"><input type="checkbox" checked={value} disabled={disabled} aria-describedby={hint ? id : undefined} onChange={(e) => onChange(e.currentTarget.checked)} />{label}</label>
			{hint && <p class="quiet hint-of-check" id={id}>{hint}</p>}
		</div>
	);
}
export function Select<T extends string | number>({ label, value, options, onChange }: { label: string; value: T; options: [T, string][]; onChange(v: T): void }) {
	const id = useId();
	return (
		<div class="field">
			<label for={id}>{label}</label>
			<select id={id} class="select" value={String(value)} onChange={(e) => {
				const found = options.find(([v]) => String(v) === e.currentTarget.value);
				if (found)
					onChange(found[0]);
			}}>
				{options.map(([v, name]) => <option key={v} value={String(v)} selected={v === value}>{name}</option>)}
			</select>
		</div>
	);
}
export function Radios<T extends string>({ label, value, options, onChange }: { label: string; value: T; options: [T, string][]; onChange(v: T): void }) {
	const name = useId();
	return (
		<fieldset class="radios">
			<legend class="field-label">{label}</legend>
			{options.map(([v, words]) => <label class="check" key={v}><input type="radio" name={name} checked={v === value} onChange={() => onChange(v)} />{words}</label>)}
		</fieldset>
	);
}
