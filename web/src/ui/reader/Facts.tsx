// What to know before one believes, answers or clicks: two facts in sight, the rest under Details.

import { useState } from "preact/hooks";
import { type Fact, type FactAction, VISIBLE_FACTS } from "../../core/facts-of-mail";
import { t } from "../../core/i18n";
import { Button, Icon, type IconName } from "../kit/kit";

const ICON: Record<Fact["tone"], IconName> = { bad: "warning", warn: "warning", good: "lock", plain: "info" };
const ICON_OF: Partial<Record<Fact["id"], IconName>> = { images: "image", list: "contacts" };

export function Facts({ facts, busy, sender, onAction }: { facts: Fact[]; busy: ReadonlySet<FactAction>; sender: string;
	onAction(a: FactAction): void }) {
	const [isOpen, setOpen] = useState(false);
	// that nothing is known is worth no line of its own
	const worth = facts.filter((f) => f.id !== "notChecked");
	const seen = worth.slice(0, VISIBLE_FACTS);
	const rest = facts.filter((f) => !seen.includes(f));
	const line = (f: Fact) => (
		<li class={`fact ${f.tone}`} key={f.id} data-fact={f.id}>
			<Icon name={ICON_OF[f.id] ?? ICON[f.tone]} />
			<span class="fact-text" dir="auto">{t(`reader.fact.${f.id}`, f.values)}</span>
			{f.actions.map((a) => (
				<Button small key={a} disabled={busy.has(a)} label={t(`reader.act.${a}`, { who: sender })} onClick={() => onAction(a)} />
			))}
		</li>
	);
	if (!worth.length)
		return null;
	return (
		<div class="facts">
			<ul class="fact-list">{seen.map(line)}</ul>
			{rest.length > 0 && (
				<Button kind="plain" small class="fact-more" expanded={isOpen} label={t("reader.details")} icon={isOpen ? "up" : "down"} both
					onClick={() => setOpen(!isOpen)}>{t("reader.details")}</Button>
			)}
			{isOpen && <ul class="fact-list more">{rest.map(line)}</ul>}
		</div>
	);
}
