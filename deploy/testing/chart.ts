import { readdirSync, readFileSync } from "node:fs";
import { parse as render } from "@evertdespiegeleer/go-template";
import { parse, parseAllDocuments } from "yaml";
import { fileOfDeploy } from "./file-of-deploy.ts";

export type Values = { readonly [key: string]: unknown };
export type Resource = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
};

const chartFile = (path: string): string => readFileSync(fileOfDeploy(`helm/tidings/${path}`), "utf8");

export const chart = parse(chartFile("Chart.yaml")) as { readonly version: string; readonly appVersion: string };
export const defaultValues = parse(chartFile("values.yaml")) as Values;
export const schema = JSON.parse(chartFile("values.schema.json")) as Readonly<Record<string, unknown>>;
export const templates: readonly { readonly name: string; readonly text: string }[] = readdirSync(
  fileOfDeploy("helm/tidings/templates"),
).map((name) => ({ name, text: chartFile(`templates/${name}`) }));

/** The file with values that an installation begins with. */
export const exampleValues = parse(readFileSync(fileOfDeploy("helm/example-values.yaml"), "utf8")) as Values;

/** Given values over others, as Helm lays them: objects are merged, everything else is replaced. */
export function overlay(below: Values, above: Values): Values {
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const old = merged[key];
    merged[key] = isObject(old) && isObject(value) ? overlay(old, value) : value;
  }
  return merged;
}

export const isObject = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * One template of the chart with Go's own template engine, which is Helm's. It knows none of the functions that Helm adds, and refuses what
 * is not in the values: both are errors, while Helm would print the latter as nothing.
 */
export async function renderTemplate(name: string, values: Values): Promise<string> {
  const text = templates.find((template) => template.name === name)?.text;
  if (text === undefined) throw new Error(`There is no template ${name}.`);
  const helpers = templates.filter((template) => template.name.startsWith("_")).map((template) => template.text);
  return await render([...helpers, text].join(""), {
    Values: values,
    Release: { Name: "chat", Namespace: "talk", Service: "Helm" },
    Chart: { Name: "tidings", Version: chart.version, AppVersion: chart.appVersion },
  });
}

/** All resources of the chart with these values. Throws what is wrong with the YAML. */
export async function resourcesOf(values: Values): Promise<readonly Resource[]> {
  const names = templates.map(({ name }) => name).filter((name) => name.endsWith(".yaml"));
  const texts = await Promise.all(names.map((name) => renderTemplate(name, values)));
  return texts.flatMap((text) =>
    parseAllDocuments(text, { uniqueKeys: true, strict: true }).flatMap((document) => {
      const [problem] = [...document.errors, ...document.warnings];
      if (problem !== undefined) throw problem;
      return document.contents === null ? [] : [document.toJS() as Resource];
    }),
  );
}
