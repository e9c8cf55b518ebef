/** `after` is the key of the last item of the page before; absent for the first page. `limit` is 1 … 1,000. */
export type PageRequest = { readonly after?: string; readonly limit: number };

/** `next` is the `after` of the following page; absent on the last. */
export type Page<Item> = { readonly items: readonly Item[]; readonly next?: string };
