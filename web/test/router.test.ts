import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRoute, parseRoute } from "../src/core/router";

test("a route is what its address says", () => {
	for (const [path, search] of [["/mail/inbox", ""], ["/mail/inbox/T1", ""], ["/mail/search", "?q=a%20b"], ["/mail/search/T2", "?q=x"],
		["/mail/label/work/T3", ""], ["/mail/F9/T1/trace/M4", ""], ["/settings/general", ""], ["/trace/Q1", ""],
		["/mail/@A7/F12/T3", ""], ["/mail/@A7/search/T3", "?q=x"], ["/mail/@A7", ""]] as const)
		assert.equal(formatRoute(parseRoute(path, search)), path + search);
	assert.deepEqual(parseRoute("/mail", ""), { page: "mail", folder: "inbox" });
	assert.deepEqual(parseRoute("/mail/@A7/inbox/T3", ""), { page: "mail", account: "A7", folder: "inbox", threadId: "T3" });
	assert.deepEqual(parseRoute("/elsewhere", ""), { page: "none" });
	assert.deepEqual(parseRoute("/mail/%E0%A4%A", ""), { page: "none" });
});
