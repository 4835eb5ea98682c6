import { defineConfig } from "@playwright/test";
import { chromium } from "./harness/chromium.ts";
import { TARGET } from "./harness/target.ts";

export default defineConfig({
  testDir: "tests",
  outputDir: `${TARGET}/browser`,
  reporter: [["list"]],
  // Each worker has a browser, and each test a server: two keep two cores busy.
  workers: 2,
  fullyParallel: true,
  forbidOnly: true,
  // A browser on a busy machine; what passes only the second time is reported as flaky.
  retries: process.env.CI ? 1 : 0,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  use: { browserName: "chromium", launchOptions: { executablePath: chromium() } },
});
