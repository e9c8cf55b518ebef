/** Settings for a fleet all of whose users come from one address, and after a fault all at once. */
export const loadFlags: readonly string[] = [
  "--sign-ups-per-minute=1000000",
  "--login-attempts-per-minute=1000000",
  "--requests-per-second=100000",
  "--requests-burst=100000",
];
