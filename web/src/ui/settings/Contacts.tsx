// The book of addresses: look up, change, put together what is double, take in and give out vCards.

import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { formatAddress, isAddress } from "../../core/address";
import { type Contact, allContacts, duplicates, findContacts, importCards, mergeCards, mergeContacts, saveContact } from "../../core/contacts";
import { t } from "../../core/i18n";
import { CARD_FILE_MAX, type Card, formatCards, parseCards } from "../../core/vcard";
import { jmap } from "../app";
import { openComposer } from "../compose/compose";
import { Button, Dialog, Spinner, confirmDialog, toast } from "../kit/kit";

const SEARCH_AFTER_MS = 200;
const NEW: Card = { name: "", emails: [{ email: "", label: "" }], phones: [], org: "", note: "" };

export function Contacts() {
	const text = useSignal(""), isAll = useSignal(false);
	const list = useSignal<Contact[] | null>(null), total = useSignal(0);
	const chosen = useSignal<Set<string>>(new Set());
	const editing = useSignal<{ id: string | null; card: Card } | null>(null);
	const doubles = useSignal<Contact[][] | null>(null);
	const importing = useSignal<{ done: number; of: number } | null>(null);
	const file = useRef<HTMLInputElement>(null);
	const searchId = useId();
	const asked = useRef(0);

	const load = async (more = false) => {
		const number = ++asked.current;
		try {
			const had = more ? list.value ?? [] : [];
			const got = await findContacts(jmap, text.value.trim(), !isAll.value, had.length);
			if (number !== asked.current)
				return;
			list.value = [...had, ...got.list];
			total.value = got.total;
		} catch {
			list.value ??= [];
			toast({ text: t("writing.failed"), kind: "bad" });
		}
	};
	useEffect(() => {
		const timer = setTimeout(() => void load(), list.value ? SEARCH_AFTER_MS : 0);
		return () => clearTimeout(timer);
	}, [text.value, isAll.value]);

	const take = async (f: File) => {
		if (f.size > CARD_FILE_MAX)
			return void toast({ text: t("writing.fileTooLarge"), kind: "bad" });
		const cards = parseCards(await f.text());
		if (!cards.length)
			return void toast({ text: t("writing.noCards"), kind: "bad" });
		importing.value = { done: 0, of: cards.length };
		try {
			const sum = await importCards(jmap, cards, (done) => { importing.value = { done, of: cards.length }; });
			toast({ text: t("writing.imported", { n: sum.created, known: sum.known, failed: sum.failed }) });
		} catch {
			toast({ text: t("writing.failed"), kind: "bad" });
		}
		importing.value = null;
		await load();
	};
	const give = async () => {
		const blob = new Blob([formatCards(await allContacts(jmap))], { type: "text/vcard" });
		const a = document.createElement("a");
		a.href = URL.createObjectURL(blob);
		a.download = "contacts.vcf";
		a.click();
		setTimeout(() => URL.revokeObjectURL(a.href), 60_000);
	};
	const chosenOnes = () => (list.value ?? []).filter((c) => chosen.value.has(c.id));
	const remove = async () => {
		const these = chosenOnes();
		if (!await confirmDialog(t("writing.removeContacts", { n: these.length }), these.slice(0, 5).map((c) => c.name || c.emails[0]?.email).join(", "), t("writing.remove"), true))
			return;
		await jmap.call("Contact/set", { destroy: these.map((c) => c.id) }).catch(() => toast({ text: t("writing.failed"), kind: "bad" }));
		chosen.value = new Set();
		await load();
	};
	const merge = async (these: Contact[]) => {
		const why = await mergeContacts(jmap, these).catch(() => ({ type: "network" }));
		toast(why ? { text: t("writing.failed"), kind: "bad" } : { text: t("writing.merged", { n: these.length }) });
		chosen.value = new Set();
		doubles.value = doubles.value?.filter((g) => g !== these) ?? null;
		await load();
	};
	return (
		<section class="writing-section">
			<h1>{t("writing.contacts")}</h1>
			<div class="contact-bar">
				<label class="sr-only" for={searchId}>{t("writing.findContact")}</label>
				<input class="input" id={searchId} type="search" placeholder={t("writing.findContact")} dir="auto" onInput={(e) => { text.value = e.currentTarget.value; }} />
				<label class="check"><input type="checkbox" checked={isAll.value} onChange={(e) => { isAll.value = e.currentTarget.checked; }} /><span>{t("writing.alsoWritten")}</span></label>
			</div>
			<div class="contact-bar">
				<Button icon="plus" both label={t("writing.addContact")} onClick={() => { editing.value = { id: null, card: NEW }; }} />
				<Button label={t("writing.findDoubles")} onClick={() => void allContacts(jmap).then((all) => { doubles.value = duplicates(all); }, () => {})} />
				<Button icon="upload" both label={t("writing.import")} onClick={() => file.current?.click()} />
				<Button icon="download" both label={t("writing.export")} onClick={() => void give()} />
				<input type="file" ref={file} hidden accept=".vcf,text/vcard,text/x-vcard" onChange={(e) => {
					const f = e.currentTarget.files?.[0];
					e.currentTarget.value = "";
					if (f)
						void take(f);
				}} />
			</div>
			{importing.value && <p role="status">{t("writing.importing", { n: importing.value.done, of: importing.value.of })} <progress max={importing.value.of} value={importing.value.done} /></p>}
			<div class="contact-bar">
				<Button small label={t("writing.write")} disabled={!chosen.value.size} onClick={() => openComposer({ kind: "new",
					to: chosenOnes().flatMap((c) => c.emails.slice(0, 1).map((e) => ({ name: c.name || null, email: e.email }))) })} />
				<Button small label={t("writing.merge")} disabled={chosen.value.size < 2} onClick={() => void merge(chosenOnes())} />
				<Button small kind="danger" label={t("writing.remove")} disabled={!chosen.value.size} onClick={() => void remove()} />
				<span class="quiet" role="status">{t("writing.contactCount", { n: total.value })}</span>
			</div>
			{list.value === null ? <Spinner /> : (
				<ul class="contact-list" aria-label={t("writing.contacts")}>
					{list.value.map((c) => (
						<li class="contact-item" key={c.id}>
							<label class="check"><input type="checkbox" checked={chosen.value.has(c.id)} onChange={(e) => {
								const next = new Set(chosen.value);
								e.currentTarget.checked ? next.add(c.id) : next.delete(c.id);
								chosen.value = next;
							}} /><span class="sr-only">{t("writing.choose", { who: c.name || c.emails[0]?.email || "" })}</span></label>
							<div class="contact-text">
								<p dir="auto"><b>{c.name || c.emails[0]?.email}</b>{c.org && <span class="quiet"> {c.org}</span>}</p>
								<p class="quiet one-line" dir="auto">{c.emails.map((e) => e.email).join(", ")}{c.phones.length > 0 && ` · ${c.phones.map((p) => p.number).join(", ")}`}</p>
							</div>
							<Button small label={t("writing.edit")} onClick={() => { editing.value = { id: c.id, card: c }; }} />
						</li>
					))}
				</ul>
			)}
			{list.value && list.value.length < total.value && <Button label={t("writing.more")} onClick={() => void load(true)} />}
			{editing.value && <ContactDialog {...editing.value} key={editing.value.id} onClose={(isSaved) => {
				editing.value = null;
				if (isSaved)
					void load();
			}} />}
			{doubles.value && <DoublesDialog groups={doubles.value} onMerge={(g) => void merge(g)} onClose={() => { doubles.value = null; }} />}
		</section>
	);
}

function DoublesDialog({ groups, onMerge, onClose }: { groups: Contact[][]; onMerge(g: Contact[]): void; onClose(): void }) {
	return (
		<Dialog wide title={t("writing.findDoubles")} onClose={onClose} foot={<Button label={t("kit.close")} onClick={onClose} />}>
			{groups.length === 0 ? <p>{t("writing.noDoubles")}</p> : (
				<ul class="contact-list">
					{groups.map((g) => (
						<li class="contact-item" key={g[0]!.id}>
							<div class="contact-text">{g.map((c) => <p key={c.id} dir="auto">{formatAddress({ name: c.name || null, email: c.emails.map((e) => e.email).join(", ") })}</p>)}
								<p class="quiet" dir="auto">{t("writing.becomes", { what: mergeCards(g).name, n: mergeCards(g).emails.length })}</p></div>
							<Button small label={t("writing.merge")} onClick={() => onMerge(g)} />
						</li>
					))}
				</ul>
			)}
		</Dialog>
	);
}

function ContactDialog({ id, card, onClose }: { id: string | null; card: Card; onClose(isSaved: boolean): void }) {
	const c = useSignal<Card>(card);
	const problem = useSignal("");
	const [name, emails, phones, org, note] = [useId(), useId(), useId(), useId(), useId()];
	const emailText = useSignal(card.emails.map((e) => e.email).join("\n")), phoneText = useSignal(card.phones.map((p) => p.number).join("\n"));
	const lines = (text: string) => text.split(/[\n,;]/).map((l) => l.trim()).filter(Boolean);
	const save = async () => {
		const list = lines(emailText.value);
		const bad = list.find((e) => !isAddress(e));
		if (bad) {
			problem.value = t("writing.badAddress", { what: bad });
			return;
		}
		const next: Card = { ...c.value, emails: list.map((email) => ({ email, label: card.emails.find((e) => e.email === email)?.label ?? "" })),
			phones: lines(phoneText.value).map((number) => ({ number, label: card.phones.find((p) => p.number === number)?.label ?? "" })) };
		if (!next.name.trim() && !next.emails.length) {
			problem.value = t("writing.emptyContact");
			return;
		}
		try {
			const why = await saveContact(jmap, id, next);
			if (!why)
				return onClose(true);
			problem.value = why.type === "alreadyExists" ? t("writing.contactExists") : why.description ?? t("writing.failed");
		} catch {
			problem.value = t("writing.failed");
		}
	};
	return (
		<Dialog title={id ? t("writing.editContact") : t("writing.addContact")} onClose={() => onClose(false)} foot={<>
			<Button label={t("kit.cancel")} onClick={() => onClose(false)} />
			<Button kind="primary" label={t("writing.save")} onClick={() => void save()} />
		</>}>
			<div class="form">
				<div class="field"><label for={name}>{t("writing.name")}</label>
					<input class="input" id={name} dir="auto" value={c.value.name} onInput={(e) => { c.value = { ...c.value, name: e.currentTarget.value }; }} /></div>
				<div class="field"><label for={emails}>{t("writing.emails")}</label>
					<textarea class="input" id={emails} rows={2} dir="ltr" value={emailText.value} onInput={(e) => { emailText.value = e.currentTarget.value; }} /></div>
				<div class="field"><label for={phones}>{t("writing.phones")}</label>
					<textarea class="input" id={phones} rows={2} dir="ltr" value={phoneText.value} onInput={(e) => { phoneText.value = e.currentTarget.value; }} /></div>
				<div class="field"><label for={org}>{t("writing.org")}</label>
					<input class="input" id={org} dir="auto" value={c.value.org} onInput={(e) => { c.value = { ...c.value, org: e.currentTarget.value }; }} /></div>
				<div class="field"><label for={note}>{t("writing.note")}</label>
					<textarea class="input" id={note} rows={3} dir="auto" value={c.value.note} onInput={(e) => { c.value = { ...c.value, note: e.currentTarget.value }; }} /></div>
				{problem.value && <p class="wrong bad-text" role="alert">{problem.value}</p>}
			</div>
		</Dialog>
	);
}
