/** A run as it is made where nobody says otherwise: small, because many small worlds find more than one large one. */
export const defaultRun = { machines: 5, workers: 3, clients: 12, safetyMs: 15_000 } as const;
