/** What a command takes besides the settings, taken out of the arguments. */

export function takeFlag(from: readonly string[], flag: string): { given: boolean; rest: string[] } {
  return { given: from.includes(flag), rest: from.filter((argument) => argument !== flag) };
}

export function takeOption(from: readonly string[], flag: string): { value: string | undefined; rest: string[] } {
  const inline = from.find((argument) => argument.startsWith(`${flag}=`));
  if (inline !== undefined)
    return { value: inline.slice(flag.length + 1), rest: from.filter((argument) => argument !== inline) };
  const index = from.indexOf(flag);
  if (index === -1) return { value: undefined, rest: [...from] };
  return { value: from[index + 1], rest: [...from.slice(0, index), ...from.slice(index + 2)] };
}
