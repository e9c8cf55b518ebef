/** The figures of a run. A ratio is ours ÷ theirs; what was not measured is absent. */
export type Figures = {
  sends_per_s?: number;
  sends_vs_sqlite?: number;
  messages_per_fsync?: number;
  latency_p50_ms?: number;
  fsync_p50_ms?: number;
  busy_deliveries_per_s?: number;
  busy_cpu_vs_ws?: number;
  busy_cpu_vs_socketio?: number;
  quiet_cpu_vs_raw?: number;
  memory_vs_ws?: number;
  resume_5000_s?: number;
  fleet_sends_per_s?: number;
  fleet_sends_vs_jetstream?: number;
  fleet_cpu_8_vs_1?: number;
};

/** One line of the table: a figure of ours beside one of a peer or floor. */
export type Row = {
  readonly what: string;
  readonly ours: string;
  /** Empty where there is nothing to compare with. */
  readonly peer?: string;
  readonly theirs?: string;
  /** Ours ÷ theirs. */
  readonly ratio?: number;
  readonly aim?: { readonly text: string; readonly met: boolean };
};

export type Measurement = { readonly title: string; readonly rows: readonly Row[]; readonly figures: Figures };

export const atMost = (value: number, max: number, text = `≤ ${max}`) => ({ text, met: value <= max });
export const atLeast = (value: number, min: number, text = `≥ ${min}`) => ({ text, met: value >= min });

/** 12,345 · 12.3 · 0.123: three digits that count, or all before the point. */
export function readable(value: number, unit = ""): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  const number = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return unit === "" ? number : `${number} ${unit}`;
}

/** The table of one measurement. */
export function table(measurement: Measurement): string {
  const header = ["", "Tidings", "beside", "", "ratio", "aim"];
  const lines = measurement.rows.map((row) => [
    row.what,
    row.ours,
    row.peer ?? "",
    row.theirs ?? "",
    row.ratio === undefined ? "" : row.ratio.toFixed(2),
    row.aim === undefined ? "" : `${row.aim.met ? "✓" : "✗"} ${row.aim.text}`,
  ]);
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => (line[column] ?? "").length)),
  );
  const isNumber = [false, true, false, true, true, false];
  const format = (line: readonly string[]): string =>
    line
      .map((cell, column) => (isNumber[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [measurement.title, format(header), ...lines.map(format)].join("\n");
}

/** The figures as they go into JSON: enough digits to compare, not more. */
export function rounded(figures: Figures): Figures {
  const entries = Object.entries(figures).map(([key, value]) => [key, Number(value.toPrecision(4))]);
  return Object.fromEntries(entries) as Figures;
}
