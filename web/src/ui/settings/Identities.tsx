// Under which names and addresses somebody writes, each with its signatures.

import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { formatAddress, parseAddresses } from "../../core/address";
import { t } from "../../core/i18n";
import { changeSettings, settings } from "../../core/settings";
import type { Identity, SetResponse } from "../../core/types";
import { jmap, store } from "../app";
import { Button, Dialog, Spinner, confirmDialog, toast } from "../kit/kit";
import { SignatureEditor } from "./SignatureEditor";

type Draft = Omit<Identity, "id" | "mayDelete"> & { id: string | null };
const EMPTY: Draft = { id: null, name: "", email: "", replyTo: null, bcc: null, textSignature: "", htmlSignature: "" };

export function Identities() {
	const editing = useSignal<Draft | null>(null);
	useEffect(() => void store.identity.loadAll().catch(() => {}), []);
	const list = store.identity.all.value;
	const first = list.find((i) => i.id === settings.value.defaultIdentity)?.id ?? list[0]?.id;
	const remove = async (i: Identity) => {
		if (await confirmDialog(t("writing.removeIdentity"), formatAddress(i), t("writing.remove"), true))
			await store.change("Identity", { destroy: [i.id] }).catch(() => {});
	};
	return (
		<section class="writing-section">
			<h1>{t("writing.identities")}</h1>
			{store.identity.state === null && <Spinner />}
			<ul class="contact-list">
				{list.map((i) => (
					<li class="contact-item" key={i.id}>
						<div class="contact-text">
							<p><b dir="auto">{i.name || i.email}</b> <span class="quiet" dir="auto">{i.name ? i.email : ""}</span></p>
							{(i.textSignature || i.htmlSignature) && <p class="quiet one-line" dir="auto">{i.textSignature.split("\n").filter(Boolean).join(" · ")}</p>}
						</div>
						<label class="check"><input type="radio" name="default-identity" checked={i.id === first} onChange={() => changeSettings({ defaultIdentity: i.id })} />
							<span>{t("writing.default")}</span></label>
						<Button small label={t("writing.edit")} onClick={() => { editing.value = { ...i }; }} />
						{i.mayDelete && <Button small kind="plain" icon="trash" label={t("writing.removeOne", { who: i.email })} onClick={() => void remove(i)} />}
					</li>
				))}
			</ul>
			<Button icon="plus" both label={t("writing.addIdentity")} onClick={() => { editing.value = { ...EMPTY }; }} />
			{editing.value && <IdentityDialog draft={editing.value} onClose={() => { editing.value = null; }} key={editing.value.id} />}
		</section>
	);
}

function IdentityDialog({ draft, onClose }: { draft: Draft; onClose(): void }) {
	const d = useSignal(draft);
	const isRich = useSignal(draft.htmlSignature !== "");
	const problem = useSignal("");
	const [name, email, reply, bcc, text] = [useId(), useId(), useId(), useId(), useId()];
	const set = (patch: Partial<Draft>) => { d.value = { ...d.value, ...patch }; };
	const list = (v: string) => {
		const all = parseAddresses(v);
		return all.length ? all : null;
	};
	const save = async () => {
		const { id, ...v } = d.value;
		if (!isRich.value)
			v.htmlSignature = "";
		const what = { name: v.name.trim(), replyTo: v.replyTo, bcc: v.bcc, textSignature: v.textSignature, htmlSignature: v.htmlSignature };
		try {
			const done = await jmap.call<SetResponse>("Identity/set", id ? { update: { [id]: what } } : { create: { new: { ...what, email: v.email.trim() } } });
			const why = done.notCreated?.new ?? (id ? done.notUpdated?.[id] : undefined);
			if (why) {
				problem.value = why.type === "forbiddenFrom" || why.properties?.includes("email") ? t("writing.notYours") : why.description ?? t("writing.failed");
				return;
			}
			await store.sync(["Identity"]);
			toast({ text: t("writing.saved") });
			onClose();
		} catch {
			problem.value = t("writing.failed");
		}
	};
	return (
		<Dialog wide title={draft.id ? t("writing.editIdentity") : t("writing.addIdentity")} onClose={onClose} foot={<>
			<Button label={t("kit.cancel")} onClick={onClose} />
			<Button kind="primary" label={t("writing.save")} onClick={() => void save()} />
		</>}>
			<div class="form">
				<div class="field"><label for={name}>{t("writing.name")}</label>
					<input class="input" id={name} dir="auto" value={d.value.name} onInput={(e) => set({ name: e.currentTarget.value })} /></div>
				<div class="field"><label for={email}>{t("writing.email")}</label>
					<input class="input" id={email} type="email" dir="ltr" readOnly={!!draft.id} value={d.value.email} onInput={(e) => set({ email: e.currentTarget.value })} /></div>
				<div class="field"><label for={reply}>{t("writing.replyTo")}</label>
					<input class="input" id={reply} dir="auto" value={d.value.replyTo?.map(formatAddress).join(", ") ?? ""} onChange={(e) => set({ replyTo: list(e.currentTarget.value) })} /></div>
				<div class="field"><label for={bcc}>{t("writing.alwaysBcc")}</label>
					<input class="input" id={bcc} dir="auto" value={d.value.bcc?.map(formatAddress).join(", ") ?? ""} onChange={(e) => set({ bcc: list(e.currentTarget.value) })} /></div>
				<div class="field"><label for={text}>{t("writing.plainSignature")}</label>
					<textarea class="input" id={text} rows={4} dir="auto" value={d.value.textSignature} onInput={(e) => set({ textSignature: e.currentTarget.value })} /></div>
				<label class="check"><input type="checkbox" checked={isRich.value} onChange={(e) => { isRich.value = e.currentTarget.checked; }} /><span>{t("writing.useRich")}</span></label>
				{isRich.value && <SignatureEditor label={t("writing.richSignature")} html={draft.htmlSignature} onChange={(htmlSignature) => set({ htmlSignature })} />}
				{problem.value && <p class="wrong bad-text" role="alert">{problem.value}</p>}
			</div>
		</Dialog>
	);
}
