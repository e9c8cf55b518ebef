/** Progress of long work on stderr: a bar that is redrawn on a terminal, otherwise a line every few seconds. */
export type Progress = {
  /** What goes on, and how far it is. Cheap: most calls draw nothing. */
  show(phase: string, step: Step): void;
  /** A line that stays. */
  note(text: string): void;
  /** Takes the bar away. */
  end(): void;
};

/** How much of how much. */
export type Step = { readonly done: number; readonly total: number };

const redrawMs = 100;
const lineEveryMs = 5_000;
const barWidth = 24;

export function createProgress(
  stream: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number },
  nowMs: () => number = () => performance.now(),
): Progress {
  let phaseShown: string | undefined;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let barOnScreen = false;
  const clear = () => {
    if (barOnScreen) stream.write("\r\u001b[K");
    barOnScreen = false;
  };
  return {
    show(phase, step) {
      const isNewPhase = phase !== phaseShown;
      const now = nowMs();
      if (!isNewPhase && now - drawnAt < (stream.isTTY ? redrawMs : lineEveryMs)) return;
      drawnAt = now;
      phaseShown = phase;
      if (stream.isTTY) {
        clear();
        stream.write(formatBar(phase, step).slice(0, (stream.columns || 80) - 1));
        barOnScreen = true;
      } else {
        stream.write(`${phase}: ${formatCount(step.done)} of ${formatCount(step.total)}\n`);
      }
    },
    note(text) {
      clear();
      stream.write(`${text}\n`);
    },
    end: clear,
  };
}

export function formatBar(phase: string, { done, total }: Step): string {
  const part = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.floor(part * barWidth);
  const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
  const percent = String(Math.floor(part * 100)).padStart(3);
  return `${phase.padEnd(10)} ${bar} ${percent} %  ${formatCount(done)} of ${formatCount(total)}`;
}

/** 1234567 → 1,234,567 */
export const formatCount = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ",");
