// The login has ended while something was open: nothing is thrown away, the password is asked for on top.

import { signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { relativeTime } from "../../core/dates";
import { t } from "../../core/i18n";
import { isLoginLost, jmap, push } from "../app";
import { Button, Dialog } from "../kit/kit";

const problem = signal("");
const isBusy = signal(false);
const step = signal(""); // between password and code

interface Answer { state?: "in" | "second" | "out" | "wait"; step?: string; seconds?: number }

/** 429 says how long (its Retry-After, in words). */
function whenAgain(seconds: number | undefined): string {
	if (!seconds)
		return t("shell.tooMany");
	return t("shell.tooManyUntil", { when: relativeTime(new Date(Date.now() + seconds * 1000).toISOString()).replace(/\.$/, "") });
}

async function login(form: HTMLFormElement): Promise<void> {
	const said = Object.fromEntries(new FormData(form)) as Record<string, string>;
	isBusy.value = true;
	problem.value = "";
	try {
		const answer = await fetch("/login", { method: "POST", credentials: "same-origin",
			headers: { "X-Yizhan": "1", "Content-Type": "application/json", Accept: "application/json" },
			body: JSON.stringify(step.value ? { step: step.value, code: said.code } : { user: said.user, password: said.password }) });
		const got = await answer.json().catch(() => ({})) as Answer;
		if (got.state === "second" && got.step) {
			step.value = got.step;
			return;
		}
		if (!answer.ok || got.state !== "in") {
			problem.value = answer.status === 429 ? whenAgain(got.seconds) : step.value ? t("shell.wrongCode") : t("shell.wrongPassword");
			return;
		}
		const before = jmap.session.value?.username;
		const session = await jmap.start();
		if (session.username !== before) {
			location.reload(); // somebody else: nothing of the first one may be seen
			return;
		}
		step.value = "";
		isLoginLost.value = false;
		push.retry();
	} catch {
		problem.value = t("shell.noNetwork");
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
				{step.value ? (
					<div class="field" key="code">
						<label for={code}>{t("shell.code")}</label>
						<input id={code} class="input" name="code" autocomplete="one-time-code" autofocus required />
					</div>
				) : (
					<>
						<div class="field">
							<label for={name}>{t("shell.name")}</label>
							<input id={name} class="input" name="user" autocomplete="username" readOnly value={jmap.session.value?.username ?? ""} />
						</div>
						<div class="field">
							<label for={password}>{t("shell.password")}</label>
							<input id={password} class="input" name="password" type="password" autocomplete="current-password" autofocus required />
						</div>
					</>
				)}
				{problem.value && <p class="wrong bad-text" role="alert">{problem.value}</p>}
				<div class="dialog-foot">
					<Button label={t("shell.elsewhere")} onClick={() => location.assign("/login")} />
					<Button type="submit" kind="primary" label={t("shell.login")} disabled={isBusy.value} />
				</div>
			</form>
		</Dialog>
	);
}
