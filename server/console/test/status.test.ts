import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@dunlin/client";
import { statusOf } from "../src/connection/status.ts";

test("while all is well there is nothing to add", () => {
  const state = { type: "online", session: "s", resumed: false } as const;
  assert.deepEqual(statusOf(state, "an earlier problem", 0), { light: "on", word: "Online", text: "" });
});

test("trouble says for how long, and why", () => {
  const recovering = statusOf({ type: "recovering", attempt: 2, since: 1000 }, "no answer", 3500);
  assert.equal(recovering.text, "Connecting again for 2.5 s (attempt 3). No answer.");
  const offline = statusOf({ type: "offline", since: 0 }, undefined, 45_000);
  assert.deepEqual(
    [offline.light, offline.text],
    ["off", "The server has not answered for 45 s. This page goes on trying."],
  );
  assert.match(
    statusOf({ type: "looking", since: 0 }, "Failed to fetch", 0).text,
    /does not answer\. Failed to fetch\.$/,
  );
});

test("an end names the server's code", () => {
  const closed = { code: Code.SERVER_FULL, message: "come later" };
  assert.equal(statusOf({ type: "closed", closed }, undefined, 0).text, "SERVER_FULL (202): Come later.");
});
