import { createApi } from "@tidings/client";
import type { FetchLike, TidingsApi } from "@tidings/client";
import { asTokenId, limits, TidingsError } from "@tidings/protocol";
import type { ConversationId, UserId } from "@tidings/protocol";
import { CommandFailure } from "../failure.ts";
import type { Step } from "../progress.ts";
import { forEachBounded, retryFor } from "../retry.ts";
import { numberedName } from "./names.ts";
import type { Plan, PlannedUser } from "./plan.ts";

/** A user of the plan as the server knows him. */
export type Person = { readonly userId: UserId; readonly token: string; readonly api: TidingsApi };

/** A group of the plan as the server knows it, with its head when everybody had joined. */
export type RealGroup = { readonly conversation: ConversationId; readonly head: number };

type Task = {
  readonly plan: Plan;
  readonly url: string;
  readonly fetch: FetchLike;
  readonly signal: AbortSignal;
  readonly onProgress: (step: Step) => void;
};

const signUpsAtOnce = 8;
const groupsAtOnce = 8;
const patienceMs = 60_000;
const namesTriedMax = 9;

/** Every user of the plan with an account and a token: signed up, or logged in where an earlier replay signed him up. */
export async function admitUsers(task: Task & { readonly passwordOf: (name: string) => string }): Promise<Person[]> {
  const { plan, url, fetch, signal } = task;
  const publicApi = createApi({ url, fetch });
  const people: Person[] = [];
  let done = 0;
  await forEachBounded(plan.users, signUpsAtOnce, async (user, index) => {
    const { userId, token } = await admitUser({ user, publicApi, passwordOf: task.passwordOf, signal });
    people[index] = { userId, token, api: createApi({ url, token, fetch }) };
    done += 1;
    task.onProgress({ done, total: plan.users.length });
  });
  return people;
}

/** Makes the groups and lets everybody join. One join at a time in a group: they change the same list of members. */
export async function gatherGroups(task: Task & { readonly people: readonly Person[] }): Promise<RealGroup[]> {
  const { plan, people, signal } = task;
  const groups: RealGroup[] = [];
  const total = plan.groups.reduce((sum, group) => sum + group.members.length, 0);
  let done = 0;
  await forEachBounded(plan.groups, groupsAtOnce, async (group, index) => {
    const [creator, ...others] = group.members.map((member) => personAt(people, member));
    if (creator === undefined) throw new CommandFailure(`The group ${group.name} has no member.`);
    const { conversation } = await persist(signal, () =>
      creator.api.call("createGroup", {
        body: { name: group.name.slice(0, limits.groupNameLengthMax), visibility: "public" },
      }),
    );
    done += 1;
    task.onProgress({ done, total });
    for (const person of others) {
      await persist(signal, () => person.api.call("joinGroup", { params: { conversation } }));
      done += 1;
      task.onProgress({ done, total });
    }
    const state = await persist(signal, () => creator.api.call("conversation", { params: { conversation } }));
    groups[index] = { conversation, head: state.head };
  });
  return groups;
}

/** The heads of the groups now, by group. */
export async function readHeads(task: {
  plan: Plan;
  people: readonly Person[];
  groups: readonly RealGroup[];
  signal: AbortSignal;
}): Promise<number[]> {
  return await Promise.all(
    task.groups.map(async ({ conversation }, index) => {
      const { api } = personAt(task.people, task.plan.groups[index]?.members[0] ?? 0);
      return (await persist(task.signal, () => api.call("conversation", { params: { conversation } }))).head;
    }),
  );
}

/** Gives the tokens back, so that a server that lives on does not collect them. */
export async function revokeTokens(people: readonly Person[], signal: AbortSignal): Promise<void> {
  await forEachBounded(people, signUpsAtOnce, async ({ api }) => {
    try {
      await persist(signal, () => api.call("revokeToken", { params: { token_id: currentToken } }));
    } catch (error) {
      // A first attempt that nobody answered had done it.
      if (!(error instanceof TidingsError && error.code === "token-revoked")) throw error;
    }
  });
}

const currentToken = asTokenId("current");

async function admitUser(task: {
  user: PlannedUser;
  publicApi: TidingsApi;
  passwordOf: (name: string) => string;
  signal: AbortSignal;
}): Promise<{ userId: UserId; token: string }> {
  const { user, publicApi, signal } = task;
  const display_name = [...user.nick].slice(0, limits.displayNameLengthMax).join("");
  for (let n = 1; n <= namesTriedMax; n++) {
    const name = n === 1 ? user.name : numberedName(user.name, n * 1000);
    const password = task.passwordOf(name);
    try {
      const body = { name, password, display_name };
      return issued(await persist(signal, () => publicApi.call("createAccount", { body })));
    } catch (error) {
      if (!(error instanceof TidingsError && error.code === "name-taken")) throw error;
    }
    try {
      const body = { name, password, label: "replay" };
      return issued(await persist(signal, () => publicApi.call("createToken", { body })));
    } catch (error) {
      // Somebody else has this name: the next one.
      if (!(error instanceof TidingsError && error.code === "credentials-wrong")) throw error;
    }
  }
  throw new CommandFailure(`No name is free for ${user.nick}.`);
}

const issued = (answer: { user: { user_id: UserId }; token: string }) => ({
  userId: answer.user.user_id,
  token: answer.token,
});

const persist = <T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> =>
  retryFor({ timeMs: patienceMs, attempt, signal });

function personAt(people: readonly Person[], user: number): Person {
  const person = people[user];
  if (person === undefined) throw new CommandFailure(`There is no user ${user}.`);
  return person;
}
