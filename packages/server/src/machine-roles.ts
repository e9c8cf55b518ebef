/** What a machine of a fleet does; see docs/architecture.md. */
export const machineRoles = ["send", "receive", "group", "worker"] as const;

export type MachineRole = (typeof machineRoles)[number];

export function isMachineRole(text: string): text is MachineRole {
  return machineRoles.some((role) => role === text);
}
