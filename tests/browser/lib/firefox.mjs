// Debian's Firefox ESR over WebDriver BiDi (puppeteer-core): for the few tests that have to hold in a second engine.

import { createRequire } from "node:module";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { TOP } from "./station.mjs";

const require = createRequire(path.join(TOP, "web/package.json"));

/** `proxy`: a port on loopback that everything but loopback is asked of. */
export async function launchFirefox({ proxy } = {}) {
	const puppeteer = require("puppeteer-core");
	const home = mkdtempSync(path.join(os.tmpdir(), "yz-firefox-"));
	const browser = await puppeteer.launch({
		browser: "firefox", executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr", headless: true, protocol: "webDriverBiDi",
		env: { ...process.env, HOME: home },
		extraPrefsFirefox: {
			"network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false, "browser.safebrowsing.malware.enabled": false,
			"browser.safebrowsing.phishing.enabled": false, "app.normandy.enabled": false, "services.settings.server": "", "toolkit.telemetry.enabled": false,
			"network.dns.disablePrefetch": false, "network.prefetch-next": true,
			...(proxy ? { "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": proxy, "network.proxy.ssl": "127.0.0.1",
				"network.proxy.ssl_port": proxy, "network.proxy.no_proxies_on": "127.0.0.1, localhost", "network.proxy.allow_hijacking_localhost": false } : {}),
		},
	});
	return {
		browser,
		close: async () => {
			await browser.close().catch(() => {});
			rmSync(home, { recursive: true, force: true });
		},
	};
}

export async function loginFirefox(page, station, name = "alice", to = "/mail/inbox") {
	const who = station.account(name);
	await page.goto(station.url + to);
	await page.waitForSelector("input[name=password]");
	await page.type("input[name=name], input[name=user], input[name=username]", who.address);
	await page.type("input[name=password]", who.password);
	await Promise.all([page.waitForNavigation(), page.$eval("input[name=password]", (i) => i.form.requestSubmit())]);
}
