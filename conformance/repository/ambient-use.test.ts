import { expect, test } from "vitest";
import { filesWith, isTest, lineAt, withoutWords } from "./repository-files.ts";

/**
 * Time, randomness and the process are given, not taken. What takes them by itself cannot run in the simulator, and a test of it
 * has to sleep.
 */
const banned: readonly { readonly use: RegExp; readonly instead: string }[] = [
  { use: /\bDate\.now\b/g, instead: "Clock.nowMs()" },
  { use: /\bnew Date\(\s*\)/g, instead: "Clock.nowMs()" },
  { use: /\bperformance\.now\b/g, instead: "Clock.monotonicMs()" },
  { use: /\bprocess\.hrtime\b/g, instead: "Clock.monotonicMs()" },
  { use: /\bMath\.random\b/g, instead: "Random.fraction()" },
  { use: /\brandom(?:UUID|Bytes|Int)\b|\bgetRandomValues\b/g, instead: "Random.unguessable()" },
  { use: /(?<![.#\w])set(?:Timeout|Interval)\b/g, instead: "Clock.after() or Clock.sleep()" },
  { use: /\bnode:timers\b/g, instead: "Clock.after() or Clock.sleep()" },
  { use: /\bprocess\.env\b/g, instead: "a setting, handed in by main.ts" },
  { use: /\bconsole\./g, instead: "the logger of Base" },
  { use: /\bprocess\.exit\b/g, instead: "an error that main.ts catches" },
];

/** The real implementations, and programs, which are where the world comes in. */
const real: readonly RegExp[] = [
  /^packages\/server\/src\/main\.ts$/,
  /^packages\/server\/src\/real\//,
  // It measures the machine that it runs on.
  /^packages\/server\/src\/doctor\//,
  /^packages\/client\/src\/platform\.ts$/,
  /^packages\/cli\//,
];

test.each(banned)(
  "nothing but the real implementations uses what stands behind $instead ($use)",
  ({ use, instead }) => {
    const uses = filesWith(".ts", ".tsx")
      .filter(
        (file) => file.path.startsWith("packages/") && !isTest(file.path) && !real.some((one) => one.test(file.path)),
      )
      .flatMap((file) => {
        const code = withoutWords(file.text);
        return [...code.matchAll(use)].map((match) => `${file.path}:${lineAt(code, match.index)} ${match[0]}`);
      });
    expect(
      uses,
      `Take ${instead} instead: what asks the world by itself cannot be simulated.\n${uses.join("\n")}`,
    ).toEqual([]);
  },
);
