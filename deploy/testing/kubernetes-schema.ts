import { validate as deployment } from "kubernetes-models/_schemas/IoK8sApiAppsV1Deployment";
import { validate as statefulSet } from "kubernetes-models/_schemas/IoK8sApiAppsV1StatefulSet";
import { validate as service } from "kubernetes-models/_schemas/IoK8sApiCoreV1Service";
import { validate as ingress } from "kubernetes-models/_schemas/IoK8sApiNetworkingV1Ingress";
import { validate as networkPolicy } from "kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy";
import { validate as podDisruptionBudget } from "kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget";

const validators = new Map<string, (data: unknown) => boolean>(
  Object.entries({
    "apps/v1 Deployment": deployment,
    "apps/v1 StatefulSet": statefulSet,
    "v1 Service": service,
    "networking.k8s.io/v1 Ingress": ingress,
    "networking.k8s.io/v1 NetworkPolicy": networkPolicy,
    "policy/v1 PodDisruptionBudget": podDisruptionBudget,
  }),
);

/**
 * What Kubernetes' own schema has against a resource: wrong types, and fields that it does not know, which Kubernetes would drop.
 * Undefined if it has no schema of such a kind.
 */
export function problemsOf(resource: { readonly apiVersion: string; readonly kind: string }): string[] | undefined {
  const validate = validators.get(`${resource.apiVersion} ${resource.kind}`);
  if (validate === undefined) return undefined;
  const read = new Set<string>();
  validate(watched(resource, { path: "", read }));
  const errors = (validate as { errors?: readonly { instancePath: string; message?: string }[] | null }).errors ?? [];
  const wrong = errors.map(({ instancePath, message }) => `${instancePath} ${message ?? "is wrong"}`);
  return [...wrong, ...unread(resource, { path: "", read }).map((path) => `${path} is not known`)];
}

type Watch = { readonly path: string; readonly read: Set<string> };

/** The schemas take unknown fields in silence; but what they know they look at, and that is seen here. */
function watched<T extends object>(value: T, { path, read }: Watch): T {
  return new Proxy(value, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key);
      if (typeof key === "symbol") return found;
      read.add(`${path}/${key}`);
      return typeof found === "object" && found !== null ? watched(found, { path: `${path}/${key}`, read }) : found;
    },
  });
}

function unread(value: object, { path, read }: Watch): string[] {
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = `${path}/${key}`;
    if (!read.has(here)) return [here];
    return typeof inner === "object" && inner !== null ? unread(inner, { path: here, read }) : [];
  });
}
