/** How much is applied: requests of about the last tenth of a second. What is older counts less and less. */
export class ApplyLoad {
  #requests = 0;
  #atMs = 0;

  note(requests: number, nowMs: number): void {
    this.#requests = this.#requests * Math.exp((this.#atMs - nowMs) / loadMs) + requests;
    this.#atMs = nowMs;
  }

  /** 0 up to where a transaction for each record costs little, and growing to `restMsMax`. */
  get restMs(): number {
    const share = (this.#requests - quietRequests) / (busyRequests - quietRequests);
    return restMsMax * Math.min(1, Math.max(0, share));
  }
}

const loadMs = 100;
/** About 100 requests a second, and 500. */
const quietRequests = 10;
const busyRequests = 50;
/** Beside the tick of a machine that receives, which may wait longer still. */
const restMsMax = 50;
