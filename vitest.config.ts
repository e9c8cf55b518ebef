import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{packages,bench,simulation,cluster,conformance,scripts,examples,deploy}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    // A process for each file: worker threads and native handles of one file cannot disturb another's.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    allowOnly: false,
    restoreMocks: true,
  },
});
