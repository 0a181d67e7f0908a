// The login has ended while something was open: nothing is thrown away, the password is asked for on top.

import { signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { t } from "../../core/i18n";
import { isLoginLost, jmap, push } from "../app";
import { Button, Dialog } from "../kit/kit";

const problem = signal("");
const isBusy = signal(false);

async function login(form: HTMLFormElement): Promise<void> {
	isBusy.value = true;
	problem.value = "";
	try {
		const answer = await fetch("/login", { method: "POST", credentials: "same-origin", headers: { "X-Yizhan": "1", Accept: "application/json" },
			body: new URLSearchParams(new FormData(form) as unknown as Record<string, string>) });
		if (answer.status === 429)
			problem.value = t("shell.tooMany");
		const before = jmap.session.value?.username;
		const session = await jmap.start();
		if (session.username !== before) {
			location.reload(); // somebody else: nothing of the first one may be seen
			return;
		}
		isLoginLost.value = false;
		push.retry();
	} catch {
		problem.value ||= t("shell.wrongPassword");
	} finally {
		isBusy.value = false;
	}
}

export function LoginAgain() {
	const name = useId(), password = useId(), code = useId();
	return (
		<Dialog locked title={t("shell.loginAgain")} onClose={() => {}}>
			<p>{t("shell.loginAgainWhy")}</p>
			<form class="login-again" onSubmit={(e) => {
				e.preventDefault();
				void login(e.currentTarget);
			}}>
				<div class="field">
					<label for={name}>{t("shell.name")}</label>
					<input id={name} class="input" name="name" autocomplete="username" readOnly value={jmap.session.value?.username ?? ""} />
				</div>
				<div class="field">
					<label for={password}>{t("shell.password")}</label>
					<input id={password} class="input" name="password" type="password" autocomplete="current-password" autofocus required />
				</div>
				<div class="field">
					<label for={code}>{t("shell.code")}</label>
					<input id={code} class="input" name="code" autocomplete="one-time-code" />
				</div>
				{problem.value && <p class="wrong bad-text" role="alert">{problem.value}</p>}
				<div class="dialog-foot">
					<Button label={t("shell.elsewhere")} onClick={() => location.assign("/login")} />
					<Button type="submit" kind="primary" label={t("shell.login")} disabled={isBusy.value} />
				</div>
			</form>
		</Dialog>
	);
}
