/**
 * Latencies in bounded memory (G8): counts in buckets that are a microsecond wide up to 2 ms and then never wider than a thousandth of
 * the value (the log-linear layout of HDR histograms). Values beyond 12 days are counted as 12 days.
 */
export type Histogram = {
  /** Milliseconds, 0 or more. */
  record(ms: number): void;
  readonly count: number;
  /** The value that a part of all (0 to 1) do not exceed, in milliseconds; 0 where nothing was recorded. */
  percentile(part: number): number;
};

const halfBuckets = 1024;
const exponentMax = 30;

export function createHistogram(): Histogram {
  const counts = new Float64Array((exponentMax + 2) * halfBuckets);
  let count = 0;
  return {
    record(ms) {
      const index = bucketOf(ms * 1000);
      counts[index] = (counts[index] ?? 0) + 1;
      count += 1;
    },
    get count() {
      return count;
    },
    percentile(part) {
      let left = Math.max(1, Math.ceil(part * count));
      for (const [index, held] of counts.entries()) {
        left -= held;
        if (left <= 0) return middleOf(index) / 1000;
      }
      return 0;
    },
  };
}

function bucketOf(us: number): number {
  const whole = Math.min(Math.max(0, Math.floor(us)), 2 ** 40);
  if (whole < 2 * halfBuckets) return whole;
  const exponent = Math.floor(Math.log2(whole)) - 10;
  return exponent * halfBuckets + Math.floor(whole / 2 ** exponent);
}

function middleOf(index: number): number {
  if (index < 2 * halfBuckets) return index;
  const exponent = Math.floor(index / halfBuckets) - 1;
  return (index - exponent * halfBuckets + 0.5) * 2 ** exponent;
}
