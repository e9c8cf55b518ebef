/** A client as small as can be: what a user's program keeps is a token and the seqs that it has. */
export async function call<Answer>(
  url: string,
  { token, method = "POST", path, body }: { token?: string; method?: string; path: string; body?: object },
): Promise<Answer> {
  const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  const response = await fetch(`${url}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

export type Synced = {
  readonly status: string;
  readonly conversations: readonly {
    readonly conversation: string;
    readonly head: number;
    readonly unread?: number;
    readonly entries?: readonly { readonly seq: number }[];
  }[];
  readonly notified: number;
};
